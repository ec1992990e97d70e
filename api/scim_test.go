package api_test

import (
	"net/http"
	"testing"

	"github.com/stretchr/testify/require"
)

func TestSCIMLifeOfAUser(t *testing.T) {
	t.Parallel()
	d := start(t).directory("acme", "")
	made := d.post("/Users", userOf("ada@acme.example", `"externalId":"e1","name":{"givenName":"Ada","familyName":"Lovelace"}`, `"active":true`,
		`"emails":[{"value":"ada@acme.example","type":"work","primary":true}]`, `"password":"dummy"`)).is(http.StatusCreated)
	id := made.text("id")
	require.Equal(t, d.h.url+"/scim/v2/Users/"+id, made.header.Get("Location"))
	require.Equal(t, made.header.Get("Location"), made.text("meta.location"))
	require.Equal(t, "User", made.text("meta.resourceType"))
	require.Equal(t, `W/"1"`, made.text("meta.version"))
	require.Equal(t, `W/"1"`, made.header.Get("ETag"))
	require.NotEmpty(t, made.text("meta.created"))
	require.Nil(t, made.get("password"))

	read := d.get("/Users/" + id).is(http.StatusOK)
	require.JSONEq(t, string(made.body), string(read.body))

	changed := d.patch("/Users/"+id, `{"op":"replace","path":"name.givenName","value":"Augusta"}`).is(http.StatusOK)
	require.Equal(t, "Augusta", changed.text("name.givenName"))
	require.Equal(t, "Lovelace", changed.text("name.familyName"))
	require.Equal(t, `W/"2"`, changed.header.Get("ETag"))
	same := d.patch("/Users/"+id, `{"op":"replace","path":"name.givenName","value":"Augusta"}`).is(http.StatusOK)
	require.JSONEq(t, string(changed.body), string(same.body))

	put := d.put("/Users/"+id, userOf("ada@acme.example", `"externalId":"e1"`)).is(http.StatusOK)
	require.Nil(t, put.get("name"))
	require.Equal(t, `W/"3"`, put.text("meta.version"))

	require.Equal(t, []string{id}, d.get(`/Users?filter=userName%20eq%20%22ADA@acme.example%22`).ids())
	d.delete("/Users/" + id).is(http.StatusNoContent)
	d.get("/Users/"+id).refused(http.StatusNotFound, "")
	d.delete("/Users/"+id).refused(http.StatusNotFound, "")
	d.patch("/Users/"+id, `{"op":"replace","path":"active","value":true}`).refused(http.StatusNotFound, "")
	require.Empty(t, d.get(`/Users`).ids())
}

func TestSCIMLifeOfAGroup(t *testing.T) {
	t.Parallel()
	d := start(t).directory("acme", "")
	ada, bob := d.user("ada"), d.user("bob")
	made := d.post("/Groups", groupOf("Sales", ada)).is(http.StatusCreated)
	id := made.text("id")
	require.Equal(t, ada, made.text("members.0.value"))
	require.Equal(t, d.h.url+"/scim/v2/Users/"+ada, made.text("members.0.$ref"))
	require.Equal(t, "User", made.text("members.0.type"))
	require.Equal(t, `W/"2"`, made.header.Get("ETag"), "of what is shown")

	d.patch("/Groups/"+id, `{"op":"add","path":"members","value":[{"value":"`+bob+`"}]}`).is(http.StatusOK)
	require.ElementsMatch(t, []string{ada, bob}, d.members(id))
	require.Equal(t, id, d.get("/Users/"+bob).is(http.StatusOK).text("groups.0.value"))
	d.patch("/Groups/"+id, `{"op":"remove","path":"members[value eq \"`+ada+`\"]"}`).is(http.StatusOK)
	require.Equal(t, []string{bob}, d.members(id))

	renamed := d.put("/Groups/"+id, `{"schemas":["urn:ietf:params:scim:schemas:core:2.0:Group"],"displayName":"Sellers"}`).is(http.StatusOK)
	require.Equal(t, "Sellers", renamed.text("displayName"))
	require.Equal(t, bob, renamed.text("members.0.value"), "a body without members says nothing of them")
	require.Nil(t, d.put("/Groups/"+id, groupOf("Sellers")).is(http.StatusOK).get("members"))

	require.Nil(t, d.get("/Groups/"+id+"?excludedAttributes=members").is(http.StatusOK).get("members"))
	d.delete("/Groups/" + id).is(http.StatusNoContent)
	d.get("/Groups/"+id).refused(http.StatusNotFound, "")
	d.get("/Users/" + bob).is(http.StatusOK)
}
