// Package ops has one method for each API operation: check, transact, effects.
// It knows no protocol: no topics, paths, status codes, and no clock but the
// one it is given. Data has the device plane's operations, Control the control
// plane's, over one core.
package ops
