package rest

import (
	"bufio"
	"bytes"
	"context"
	"errors"
	"io"
	"strings"

	"github.com/drover-iot/drover/internal/job"
	"github.com/drover-iot/drover/internal/ops"
	"github.com/drover-iot/drover/internal/wire"
	"github.com/drover-iot/drover/internal/wire/fleet"
)

// importer is the operation behind an import: (*ops.Control).Import.
type importer func(ctx context.Context, by ops.Caller, lines []fleet.Line) (done int, err error)

// Import is `POST /drover/v1/import` (docs/import.md): JSON Lines, each of which is
// one request of the registry, carried out in their order.
func Import(do func(ctx context.Context, by ops.Caller, lines []fleet.Line) (done int, err error)) Extension {
	return Extension{
		Operation: wire.Operation{Name: "Import", Method: "POST", Path: "/drover/v1/import", Status: 200, Body: true},
		Stream:    importer(do).stream,
	}
}

// imported is a line of the reply: what was carried out so far.
type imported struct {
	Line        int64 `json:"line"` // of the body, the last one that was
	Things      int64 `json:"things"`
	Groups      int64 `json:"thingGroups"`
	Memberships int64 `json:"memberships"`
	Done        bool  `json:"done,omitzero"` // this is the last line, and all went well
}

// progressEvery is how many lines of the body have one in the reply.
const progressEvery = 10_000

// stream reads lines, carries them out in batches, and tells how far it is.
func (do importer) stream(ctx context.Context, by ops.Caller, body io.Reader, say func(line any) error) error {
	im := &importing{do: do, by: by, in: bufio.NewReaderSize(body, fleet.MaxLine+1)}
	told := int64(0)
	for {
		more, err := im.batch(ctx)
		if err != nil {
			return im.refused(err)
		}
		if !more {
			im.Done = true
			return say(im.imported)
		}
		if im.Line-told >= progressEvery {
			told = im.Line
			if err := say(im.imported); err != nil {
				return err
			}
		}
	}
}

// importing is one import under way.
type importing struct {
	imported
	do importer
	by ops.Caller
	in *bufio.Reader

	read    int64 // lines
	lines   []fleet.Line
	numbers []int64 // of lines, in the body
}

// batch reads and carries out some lines. What stands before a line that cannot be
// read is carried out too.
func (im *importing) batch(ctx context.Context) (more bool, err error) {
	im.lines, im.numbers = im.lines[:0], im.numbers[:0]
	var broken error
	for len(im.lines) < ops.ImportBatch {
		l, some, err := im.next()
		if err != nil || !some {
			broken = err
			break
		}
		im.lines, im.numbers = append(im.lines, l), append(im.numbers, im.read)
	}
	if len(im.lines) == 0 {
		return false, broken
	}
	for carried := 0; carried < len(im.lines); {
		done, err := im.do(ctx, im.by, im.lines[carried:])
		for range done {
			im.count(im.lines[carried])
			im.Line = im.numbers[carried]
			carried++
		}
		if err != nil {
			if carried < len(im.numbers) {
				im.read = im.numbers[carried]
			}
			return false, err
		}
	}
	return broken == nil, broken
}

// next reads one line; blank ones are none.
func (im *importing) next() (l fleet.Line, some bool, err error) {
	for {
		text, err := im.in.ReadSlice('\n')
		if len(text) > 0 {
			im.read++
		}
		if errors.Is(err, bufio.ErrBufferFull) || len(text) > fleet.MaxLine+1 {
			return l, false, job.Errorf(job.InvalidRequest, "The line is longer than %d bytes", fleet.MaxLine)
		}
		if err != nil && !errors.Is(err, io.EOF) {
			return l, false, err
		}
		if text = bytes.TrimSpace(text); len(text) > 0 {
			l, err := fleet.Parse(text)
			return l, err == nil, err
		}
		if err != nil {
			return l, false, nil
		}
	}
}

func (im *importing) count(l fleet.Line) {
	switch {
	case l.Group != nil:
		im.Groups++
	case l.Member != nil:
		im.Memberships++
	default:
		im.Things++
		im.Memberships += int64(len(l.Groups))
	}
}

// refused says where an import has stopped, and what was done before.
func (im *importing) refused(err error) error {
	e := wire.ErrorOf(err)
	if e.Code == job.Internal {
		return err
	}
	told := *e
	told.Message = job.Errorf(e.Code, "Line %d: %s. Carried out before it: lines up to %d (%d things, %d thing groups, %d memberships). "+
		"Correct it and send the whole again: what is there already stays as it is.",
		max(im.read, 1), trimmed(e.Message), im.Line, im.Things, im.Groups, im.Memberships).Message
	return &told
}

func trimmed(message string) string { return strings.TrimRight(message, ". ") }
