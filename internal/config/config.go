// Package config reads Tenure's settings from the environment into typed values, once, where the process starts. Its
// errors name the variable and what to set it to. It never prints a value that may be secret.
package config

import (
	"errors"
	"fmt"
	"os"
)

// Getenv looks a variable up; os.Getenv is one. Unset and empty mean the same.
type Getenv func(name string) string

// The variables that more than one command reads.
const (
	variableDatabase      = "DATABASE_URL"
	variableOwnerDatabase = "TENURE_OWNER_DATABASE_URL"
	variableServeRole     = "TENURE_SERVE_ROLE"
)

var errNoDatabase = errors.New(variableDatabase + " is not set: set it to the Postgres database of Tenure, " +
	"as in postgres://tenure:password@host:5432/tenure")

// Database is the connection string of the login that serves: for commands that read and write an organization's rows.
func Database(getenv Getenv) (string, error) {
	if url := getenv(variableDatabase); url != "" {
		return url, nil
	}
	return "", errNoDatabase
}

// Migrate is what `tenure migrate` needs.
type Migrate struct {
	OwnerURL string // of the login that owns the database and may create roles
	// ServeRole is the login that is to serve. Empty: nobody said.
	ServeRole string
}

// LoadMigrate reads TENURE_OWNER_DATABASE_URL, or DATABASE_URL without it, and TENURE_SERVE_ROLE.
func LoadMigrate(getenv Getenv) (Migrate, error) {
	m := Migrate{OwnerURL: getenv(variableOwnerDatabase), ServeRole: getenv(variableServeRole)}
	if m.OwnerURL == "" {
		m.OwnerURL = getenv(variableDatabase)
	}
	if m.OwnerURL == "" {
		return m, fmt.Errorf("neither %s nor %s is set: set one to the owner's login of Tenure's database, "+
			"as in postgres://tenure_owner:password@host:5432/tenure", variableOwnerDatabase, variableDatabase)
	}
	return m, nil
}

func valueOr(getenv Getenv, name, otherwise string) string {
	if v := getenv(name); v != "" {
		return v
	}
	return otherwise
}

// environment is the process's own.
var environment Getenv = os.Getenv
