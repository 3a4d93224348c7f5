// Package release rehearses a release: what users get who add a package of this module,
// before anybody can. It contains only tests, and is a module of its own because it needs
// golang.org/x/mod, which creates the zip of a release.
//
// The tree, including uncommitted changes, becomes version v0.1.0 on a module proxy made
// of files. For each public package, an empty directory gets it with go get, along with a
// program of testdata that uses it; the program is vetted, built, run, and checked for
// the modules that it contains. The same is done with the program of README.md, to which
// the official client then connects as README.md says.
//
// No network is needed: third-party modules come from the module cache, which has them
// once the root module has been built and tested. What is missing there is requested from
// the proxy of the environment. Modules and results of the rehearsal stay out of that
// cache.
//
// go test -timeout 30m vets the tree of the zip as well.
package release
