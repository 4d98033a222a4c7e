package memkv_test

import (
	"testing"

	"go.uber.org/goleak"

	"teal/internal/store"
	"teal/internal/store/memkv"
	"teal/internal/store/storetest"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

func TestContract(t *testing.T) {
	t.Parallel()
	storetest.Run(t, func(*testing.T) store.KV { return memkv.New() })
}
