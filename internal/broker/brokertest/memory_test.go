package brokertest_test

import (
	"testing"

	"github.com/drover-iot/drover/internal/broker"
	"github.com/drover-iot/drover/internal/broker/brokertest"
	"go.uber.org/goleak"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

func TestMemoryKeepsTheContract(t *testing.T) {
	brokertest.Run(t, func(*testing.T) func() broker.SessionStore {
		m := brokertest.NewMemory()
		return func() broker.SessionStore { return m }
	})
}
