package traffic

import (
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"io"
	"math"
	"math/rand/v2"
	"net"
	"net/http"
	"net/url"
	"time"

	"im-suite-ha/sample-suite/internal/message"
	"im-suite-ha/sample-suite/internal/trafficlog"
)

// api is one client of the service: one person's phone, with a connection of its own.
type api struct {
	target  string
	timeout time.Duration
	http    *http.Client
}

func newAPI(target string, timeout time.Duration) *api {
	transport := &http.Transport{
		DialContext:         (&net.Dialer{Timeout: timeout}).DialContext,
		MaxIdleConnsPerHost: 1,
		// Shorter than the server's two minutes: the client gives up an idle connection first, so a write never meets one
		// that the server is just closing.
		IdleConnTimeout:    90 * time.Second,
		DisableCompression: true,
		// The proxy variables of this machine are not meant for the lab.
		Proxy: nil,
	}
	return &api{target, timeout, &http.Client{Transport: transport}}
}

func (a *api) close() { a.http.CloseIdleConnections() }

// outcome is one request as the log will tell it.
type outcome struct {
	entry    trafficlog.Entry
	finished time.Time
}

type response struct {
	status int
	server string
	body   []byte
}

// send makes one request and reads the whole answer.
func (a *api) send(method, path, contentType string, body []byte) (response, error) {
	ctx, cancel := context.WithTimeout(context.Background(), a.timeout)
	defer cancel()
	request, err := http.NewRequestWithContext(ctx, method, a.target+path, bytes.NewReader(body))
	if err != nil {
		return response{}, err
	}
	if contentType != "" {
		request.Header.Set("Content-Type", contentType)
	}
	answer, err := a.http.Do(request)
	if err != nil {
		return response{}, err
	}
	defer answer.Body.Close()
	content, err := io.ReadAll(io.LimitReader(answer.Body, message.MaximumAttachmentBytes))
	return response{answer.StatusCode, answer.Header.Get("X-IM-Server"), content}, err
}

// call is a request of the set-up, whose answer must be 200 or 201.
func (a *api) call(method, path string, body, into any) error {
	var content []byte
	if body != nil {
		var err error
		if content, err = json.Marshal(body); err != nil {
			return err
		}
	}
	got, err := a.send(method, path, "application/json", content)
	if err != nil {
		return err
	}
	if got.status != http.StatusOK && got.status != http.StatusCreated {
		return fmt.Errorf("%s %s answered %d: %.200s", method, path, got.status, got.body)
	}
	return json.Unmarshal(got.body, into)
}

func (a *api) sendMessage(conversation, sender int64, text string) outcome {
	id := message.NewID()
	body, err := json.Marshal(map[string]any{"id": id, "conversation_id": conversation, "sender_id": sender, "body": text})
	if err != nil {
		panic(err) // Only strings and numbers: cannot fail.
	}
	return a.write(trafficlog.Message, id, message.ContentHash(conversation, sender, text), "/api/v1/messages", "application/json", body)
}

func (a *api) sendAttachment(conversation, sender int64) outcome {
	// From 1 KiB to 256 KiB, small ones more often.
	content := make([]byte, int(1024*math.Pow(2, 8*rand.Float64())))
	for i := range content {
		content[i] = byte(rand.Uint32())
	}
	id := message.NewID()
	sum := sha256.Sum256(content)
	query := url.Values{
		"id": {id}, "file_name": {"文件-" + id[:8] + ".bin"},
		"conversation_id": {fmt.Sprint(conversation)}, "sender_id": {fmt.Sprint(sender)},
	}
	return a.write(trafficlog.Attachment, id, hex.EncodeToString(sum[:]), "/api/v1/attachments?"+query.Encode(), "application/octet-stream", content)
}

// write sends one write. Acknowledged is only what the service answered with 201 (or 200 for a repeated id) and the
// very content that was sent.
func (a *api) write(kind, id, hash, path, contentType string, body []byte) outcome {
	started := time.Now()
	got, err := a.send(http.MethodPost, path, contentType, body)
	o := outcome{finished: time.Now()}
	o.entry = trafficlog.Entry{
		Event: trafficlog.Error, Kind: kind, ID: id, SHA256: hash, Status: got.status, Server: got.server,
		LatencyMs: milliseconds(o.finished.Sub(started)),
	}
	if err != nil {
		o.entry.Error = shortened(err.Error())
		return o
	}
	if got.status != http.StatusCreated && got.status != http.StatusOK {
		o.entry.Error = shortened(string(got.body))
		return o
	}
	var answer struct {
		ID       string `json:"id"`
		SHA256   string `json:"sha256"`
		Database string `json:"database"`
	}
	if err := json.Unmarshal(got.body, &answer); err != nil || answer.ID != id {
		o.entry.Error = "the answer is not an acknowledgement of this id"
		return o
	}
	if answer.SHA256 != hash {
		o.entry.Error = "another content was acknowledged"
		return o
	}
	o.entry.Event, o.entry.Database = trafficlog.Ack, answer.Database
	return o
}

// read makes one of the reads of a chat program. After an acknowledged message, one in four looks for that very message: who
// was told "sent" must see it.
func (a *api) read(conversation, user int64, written outcome) outcome {
	started := time.Now()
	var problem string
	choice := rand.IntN(4)
	var got response
	var err error
	switch {
	case choice == 0 && written.entry.Event == trafficlog.Ack && written.entry.Kind == trafficlog.Message:
		got, err = a.send(http.MethodGet, "/api/v1/messages/"+written.entry.ID, "", nil)
		var m struct {
			ConversationID int64  `json:"conversation_id"`
			SenderID       int64  `json:"sender_id"`
			Body           string `json:"body"`
		}
		if err == nil && got.status == http.StatusNotFound {
			problem = "read your writes: a message that was just acknowledged is not found"
		} else if err == nil && got.status == http.StatusOK {
			if json.Unmarshal(got.body, &m) != nil || message.ContentHash(m.ConversationID, m.SenderID, m.Body) != written.entry.SHA256 {
				problem = "read your writes: a message that was just acknowledged has another content"
			}
		}
	case choice == 1:
		got, err = a.send(http.MethodPost, fmt.Sprintf("/api/v1/users/%d/presence", user), "", nil)
	case choice == 2:
		got, err = a.send(http.MethodGet, fmt.Sprintf("/api/v1/users/%d/unread", user), "", nil)
	default:
		got, err = a.send(http.MethodGet, fmt.Sprintf("/api/v1/conversations/%d/messages?limit=20", conversation), "", nil)
	}
	o := outcome{finished: time.Now()}
	o.entry = trafficlog.Entry{Event: "read", Kind: trafficlog.Read, Status: got.status, Server: got.server, LatencyMs: milliseconds(o.finished.Sub(started))}
	switch {
	case err != nil:
		problem = err.Error()
	case problem == "" && got.status != http.StatusOK:
		problem = string(got.body)
	}
	if problem != "" {
		o.entry.Event, o.entry.Error = trafficlog.Error, shortened(problem)
	}
	return o
}

func milliseconds(d time.Duration) float64 {
	return math.Round(d.Seconds()*1e6) / 1e3
}

func shortened(text string) string {
	const limit = 200
	if len(text) <= limit {
		return text
	}
	return text[:limit] + "…"
}
