// Package mqtt is Jobs over MQTT: it turns topics into operations on the
// broker's hooks, answers the connection that asked, and tells devices what the
// commits have caused. It holds no rule of the domain and never sees the store.
package mqtt
