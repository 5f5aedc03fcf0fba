package traffic

import (
	"context"
	"fmt"
	"io"
	"math/rand/v2"
	"net/http"
	"slices"
	"sync"
	"time"

	"im-suite-ha/sample-suite/internal/judge"
	"im-suite-ha/sample-suite/internal/message"
	"im-suite-ha/sample-suite/internal/trafficlog"
)

// Options of a run.
type Options struct {
	Target  string
	Clients int
	// Rate is writes per second of all clients together.
	Rate float64
	// Duration of the run; 0 runs until the context ends.
	Duration time.Duration
	// ReadRatio is how many reads follow one write, on average, at most 1.
	ReadRatio float64
	// AttachmentEvery makes one of so many writes an attachment; 0 makes none.
	AttachmentEvery int
	// Timeout of one request.
	Timeout time.Duration
	LogFile string
	Output  io.Writer
}

// statusEvery is the time between two status lines.
const statusEvery = 10 * time.Second

// Run sends traffic until the duration is over or the context ends; then it lets the running requests finish.
func Run(ctx context.Context, options Options) error {
	if err := CheckTarget(options.Target); err != nil {
		return err
	}
	rooms, err := prepare(ctx, options)
	if err != nil {
		return err
	}
	log, err := trafficlog.Open(options.LogFile)
	if err != nil {
		return err
	}
	log.Append(trafficlog.Entry{Event: trafficlog.Start, Target: options.Target, Clients: options.Clients, Rate: options.Rate}.At(time.Now()))
	if options.Duration > 0 {
		var cancel context.CancelFunc
		ctx, cancel = context.WithTimeout(ctx, options.Duration)
		defer cancel()
	}
	ctx, stop := context.WithCancelCause(ctx)
	defer stop(nil)

	r := &run{options: options, rooms: rooms, log: log}
	var group sync.WaitGroup
	interval := time.Duration(float64(options.Clients) / options.Rate * float64(time.Second))
	for number := range options.Clients {
		group.Go(func() { r.client(ctx, number+1, interval) })
	}
	finished := make(chan struct{})
	go func() { group.Wait(); close(finished) }()

	ticker := time.NewTicker(statusEvery)
	defer ticker.Stop()
	failed := log.Failed()
	for running := true; running; {
		select {
		case <-ticker.C:
			r.status(trafficlog.Status, statusEvery)
		case err := <-failed:
			// Traffic without a witness proves nothing.
			stop(fmt.Errorf("the log cannot be written: %w", err))
		case <-finished:
			running = false
		}
	}
	r.status(trafficlog.Stop, 0)
	if err := log.Close(); err != nil {
		return fmt.Errorf("the log cannot be written: %w", err)
	}
	return nil
}

type run struct {
	options Options
	rooms   []room
	log     *trafficlog.Writer

	mutex        sync.Mutex
	writes       int64
	acknowledged int64
	errors       int64
	reads        int64
	// Of the current status line.
	acknowledgedBefore, errorsBefore int64
	latencies                        []float64
}

// client writes once per interval, at its own phase. A slot that passed while a request was running is skipped: after
// an outage real people do not send everything at once either, and a burst would blur the measured latency.
func (r *run) client(ctx context.Context, number int, interval time.Duration) {
	api := newAPI(r.options.Target, r.options.Timeout)
	defer api.close()
	next := time.Now().Add(time.Duration(rand.Float64() * float64(interval)))
	for {
		timer := time.NewTimer(time.Until(next))
		select {
		case <-ctx.Done():
			timer.Stop()
			return
		case <-timer.C:
		}
		r.turn(api, number)
		next = next.Add(interval)
		if late := time.Since(next); late > 0 {
			next = next.Add(interval * (late/interval + 1))
		}
	}
}

// turn is one write and perhaps one read. The requests have their own time limit and not the run's context: a request
// that is out is finished, or its outcome would be unknown for no reason.
func (r *run) turn(api *api, client int) {
	place := r.rooms[rand.IntN(len(r.rooms))]
	sender := place.members[rand.IntN(len(place.members))]
	r.mutex.Lock()
	r.writes++
	attach := r.options.AttachmentEvery > 0 && r.writes%int64(r.options.AttachmentEvery) == 0
	r.mutex.Unlock()

	var outcome outcome
	if attach {
		outcome = api.sendAttachment(place.id, sender)
	} else {
		outcome = api.sendMessage(place.id, sender, message.RandomBody(rand.New(rand.NewPCG(rand.Uint64(), rand.Uint64()))))
	}
	outcome.entry.Client = client
	r.record(outcome)
	if rand.Float64() >= r.options.ReadRatio {
		return
	}
	read := api.read(place.id, sender, outcome)
	read.entry.Client = client
	r.mutex.Lock()
	r.reads++
	r.mutex.Unlock()
	// Reads that succeed are only counted: the log would be twice as long and no better a witness.
	if read.entry.Event == trafficlog.Error {
		r.record(read)
	}
}

func (r *run) record(o outcome) {
	r.log.Append(o.entry.At(o.finished))
	r.mutex.Lock()
	defer r.mutex.Unlock()
	if o.entry.Event == trafficlog.Ack {
		r.acknowledged++
		r.latencies = append(r.latencies, o.entry.LatencyMs)
	} else {
		r.errors++
	}
}

// status writes one line for people and one entry for the log.
func (r *run) status(event string, period time.Duration) {
	r.mutex.Lock()
	latencies := r.latencies
	acknowledged, errors := r.acknowledged-r.acknowledgedBefore, r.errors-r.errorsBefore
	entry := trafficlog.Entry{Event: event, Acknowledged: r.acknowledged, Errors: r.errors, Reads: r.reads}
	r.latencies, r.acknowledgedBefore, r.errorsBefore = nil, r.acknowledged, r.errors
	r.mutex.Unlock()
	now := time.Now()
	r.log.Append(entry.At(now))
	if event == trafficlog.Stop {
		fmt.Fprintf(r.options.Output, "%s  stopped: %d writes acknowledged, %d errors, %d reads\n",
			now.Format("15:04:05"), entry.Acknowledged, entry.Errors, entry.Reads)
		return
	}
	slices.Sort(latencies)
	fmt.Fprintf(r.options.Output, "%s  %d writes acknowledged (%.1f/s), %d errors, p50 %.1f ms, p99 %.1f ms\n",
		now.Format("15:04:05"), acknowledged, float64(acknowledged)/period.Seconds(), errors,
		judge.Percentile(latencies, 50), judge.Percentile(latencies, 99))
}

// room is a conversation with the people in it.
type room struct {
	id      int64
	members []int64
}

// prepare finds the conversations, and makes a few when there are none. It waits up to 30 s for the service.
func prepare(ctx context.Context, options Options) ([]room, error) {
	api := newAPI(options.Target, options.Timeout)
	defer api.close()
	deadline := time.Now().Add(30 * time.Second)
	for {
		rooms, err := api.rooms()
		if err == nil && len(rooms) == 0 {
			rooms, err = api.makeRooms()
		}
		if err == nil {
			return rooms, nil
		}
		if time.Now().After(deadline) {
			return nil, fmt.Errorf("the service at %s did not answer within 30 s: %w", options.Target, err)
		}
		select {
		case <-ctx.Done():
			return nil, ctx.Err()
		case <-time.After(time.Second):
		}
	}
}

func (a *api) rooms() ([]room, error) {
	var conversations []struct {
		ID      int64   `json:"id"`
		Members []int64 `json:"members"`
	}
	if err := a.call(http.MethodGet, "/api/v1/conversations?limit=1000", nil, &conversations); err != nil {
		return nil, err
	}
	var rooms []room
	for _, conversation := range conversations {
		if len(conversation.Members) > 0 {
			rooms = append(rooms, room{conversation.ID, conversation.Members})
		}
	}
	return rooms, nil
}

func (a *api) makeRooms() ([]room, error) {
	var people []int64
	for number := range 10 {
		var user struct {
			ID int64 `json:"id"`
		}
		body := map[string]any{"name": fmt.Sprintf("traffic-%02d", number+1), "display_name": fmt.Sprintf("访客 %d", number+1)}
		if err := a.call(http.MethodPost, "/api/v1/users", body, &user); err != nil {
			return nil, err
		}
		people = append(people, user.ID)
	}
	for number := range 5 {
		body := map[string]any{
			"id":      message.DerivedID(fmt.Sprintf("traffic-room-%d", number)),
			"title":   fmt.Sprintf("群聊 %d", number+1),
			"members": people[2*number : 2*number+2],
		}
		if err := a.call(http.MethodPost, "/api/v1/conversations", body, &struct{}{}); err != nil {
			return nil, err
		}
	}
	return a.rooms()
}
