package main

import (
	"context"
	"fmt"
	"io"
	"net/http"
	"os"
	"time"
)

// startProfile takes a CPU profile of the server from its admin door while the
// sustained load runs, if asked to. What it returns waits for its end.
func (s *suite) startProfile(ctx context.Context, admin string) (wait func() error) {
	if s.profile == "" {
		return func() error { return nil }
	}
	done := make(chan error, 1)
	go func() { done <- fetchProfile(ctx, admin, s.Sustained, s.profile) }()
	return func() error { return <-done }
}

func fetchProfile(ctx context.Context, admin string, d time.Duration, file string) error {
	url := fmt.Sprintf("http://%s/debug/pprof/profile?seconds=%d", admin, int(d.Seconds()))
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, url, nil)
	if err != nil {
		return err
	}
	resp, err := http.DefaultClient.Do(req)
	if err != nil {
		return fmt.Errorf("profile: %w", err)
	}
	defer resp.Body.Close()
	b, err := io.ReadAll(io.LimitReader(resp.Body, 64<<20))
	if err == nil && resp.StatusCode != http.StatusOK {
		err = fmt.Errorf("%s %.200s", resp.Status, b)
	}
	if err != nil {
		return fmt.Errorf("profile: %s: %w", url, err)
	}
	return os.WriteFile(file, b, 0o644)
}
