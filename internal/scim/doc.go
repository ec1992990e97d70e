// Package scim is the SCIM 2.0 protocol without its transport: schemas, request bodies, PATCH, filters, projection.
//
// It owns what RFC 7643 and RFC 7644 say about the content of requests and answers, and the dialects of the clients that do
// not follow them. It is pure: no HTTP, no database, no clock, and no rule of the lifecycle. Everything it reads was sent by
// a client and is bounded (see limits.go); an error of it is an *Error, which names the attribute and never repeats a value.
package scim
