package sqlite

import (
	"container/list"
	"context"
	"sync"

	"github.com/drover-iot/drover/internal/store"
)

// documentCache is how many bytes of job documents stay in memory.
const documentCache = 8 << 20

// documents is a bounded cache of job documents, which never change. Keys are
// never reused, so a document of a job that is gone just ages out.
type documents struct {
	mu    sync.Mutex
	limit int
	size  int
	order list.List // of document, most recently used first
	byKey map[int64]*list.Element
}

type document struct {
	key  int64
	body []byte
}

func (d *documents) get(key int64) ([]byte, bool) {
	d.mu.Lock()
	defer d.mu.Unlock()
	e, ok := d.byKey[key]
	if !ok {
		return nil, false
	}
	d.order.MoveToFront(e)
	return e.Value.(document).body, true
}

func (d *documents) put(key int64, body []byte) {
	d.mu.Lock()
	defer d.mu.Unlock()
	if _, ok := d.byKey[key]; ok || len(body) > d.limit {
		return
	}
	if d.byKey == nil {
		d.byKey = map[int64]*list.Element{}
	}
	d.byKey[key] = d.order.PushFront(document{key, body})
	d.size += len(body)
	for d.size > d.limit {
		last := d.order.Back()
		old := d.order.Remove(last).(document)
		delete(d.byKey, old.key)
		d.size -= len(old.body)
	}
}

// Document gives a job's document. ErrNotFound.
func (s *Store) Document(jobKey int64) (body []byte, err error) {
	if body, ok := s.docs.get(jobKey); ok {
		return body, nil
	}
	err = s.View(context.Background(), func(t store.Tx) error {
		body, err = t.Document(jobKey)
		return err
	})
	if err == nil {
		s.docs.put(jobKey, body)
	}
	return body, err
}
