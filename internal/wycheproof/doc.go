// Package wycheproof runs the test vectors of Project Wycheproof for JSON Web
// Signatures and Keys against package jwtauth/internal/jws. It holds nothing but
// tests, and is a module of its own so that the vectors are no dependency of the
// main module.
//
// The path of the module is not that of its folder: it must lie below jwtauth to
// import an internal package of it. Nobody downloads this module, so that nothing
// looks for it there.
package wycheproof
