package trafficlog

import (
	"bufio"
	"encoding/json"
	"errors"
	"os"
	"path/filepath"
	"sync"
)

// Writer appends entries to a file. Entries wait at most for the file system: whatever is queued is written in one go,
// and nothing is held back for more.
type Writer struct {
	entries chan Entry
	done    chan struct{}
	once    sync.Once
	failed  chan error
	err     error
}

// Open opens a log for appending. After a kill its last line may be torn; a line feed keeps the next one whole.
func Open(path string) (*Writer, error) {
	if err := os.MkdirAll(filepath.Dir(path), 0o700); err != nil {
		return nil, err
	}
	file, err := os.OpenFile(path, os.O_RDWR|os.O_APPEND|os.O_CREATE, 0o600)
	if err != nil {
		return nil, err
	}
	if err := closeTornLine(file); err != nil {
		return nil, errors.Join(err, file.Close())
	}
	w := &Writer{entries: make(chan Entry, 4096), done: make(chan struct{}), failed: make(chan error, 1)}
	go w.write(file)
	return w, nil
}

func closeTornLine(file *os.File) error {
	info, err := file.Stat()
	if err != nil || info.Size() == 0 {
		return err
	}
	last := make([]byte, 1)
	if _, err := file.ReadAt(last, info.Size()-1); err != nil || last[0] == '\n' {
		return err
	}
	_, err = file.WriteString("\n")
	return err
}

// Append queues an entry. When the disk is slower than the traffic, it waits: an entry is never dropped.
func (w *Writer) Append(e Entry) { w.entries <- e }

// Failed delivers the first error of writing. A run whose log cannot be written must stop: it has no witness.
func (w *Writer) Failed() <-chan error { return w.failed }

// Close writes what is queued and closes the file.
func (w *Writer) Close() error {
	w.once.Do(func() { close(w.entries) })
	<-w.done
	return w.err
}

func (w *Writer) write(file *os.File) {
	defer close(w.done)
	buffer := bufio.NewWriterSize(file, 64<<10)
	encoder := json.NewEncoder(buffer)
	encoder.SetEscapeHTML(false)
	note := func(err error) {
		if err != nil && w.err == nil {
			w.err = err
			w.failed <- err
		}
	}
	for entry := range w.entries {
		note(encoder.Encode(entry))
		if len(w.entries) == 0 {
			note(buffer.Flush())
		}
	}
	note(buffer.Flush())
	note(file.Close())
}
