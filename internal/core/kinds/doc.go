// Package kinds knows which kinds a cluster serves, and how they are addressed.
//
// In go the groups and resources that an API server lists, and which groups did not
// answer; out come resources by kind and version, and the versions that templates
// ask for. What cannot be told because a group is silent is never taken for absent.
// The package never asks the server and knows no clock.
package kinds
