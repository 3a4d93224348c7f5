// Package wycheproof runs the test vectors of Project Wycheproof for JSON Web Signatures
// and Keys against package jwtauth/internal/jws. It contains only tests, and is a module
// of its own so that the vectors are not a dependency of the main module.
//
// The path of the module does not match its directory: it must be below jwtauth to import
// an internal package of it. Nobody downloads this module, so nothing looks for it there.
package wycheproof
