// Package release rehearses a release: what somebody gets who takes a package of this
// module, before anybody can. It holds nothing but tests, and is a module of its own
// because it needs golang.org/x/mod, by which the zip of a release is made.
//
// The tree, with what is not committed yet, becomes version v0.1.0 on a module proxy of
// files. For each public package an empty folder gets it by go get, with a program of
// testdata that uses it; the program is vetted, built, run, and asked which modules are
// in it. The same is done with the program of README.md, to which the official client then
// connects as README.md says.
//
// No network is needed: the modules that others have made come out of the module cache, which has
// them when the root module has been built and tested. What is missing there is asked of
// the proxy of the environment. Modules and results of the rehearsal stay out of that
// cache.
//
// go test -timeout 30m vets the tree of the zip as well.
package release
