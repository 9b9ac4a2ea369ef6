// Package authtest makes certificates for tests of doors: those of another
// authority than Drover's, as an operator would bring them.
package authtest
