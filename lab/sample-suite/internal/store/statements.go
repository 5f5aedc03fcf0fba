package store

import (
	"context"
	"database/sql"
	"errors"
	"strings"
	"sync"
	"time"

	"github.com/go-sql-driver/mysql"

	"im-suite-ha/sample-suite/internal/message"
)

// ErrNotFound: no such user, conversation, message or attachment.
var ErrNotFound = errors.New("not found")

// ErrConflict: the identifier is taken by something else.
var ErrConflict = errors.New("this id already belongs to another content")

// ErrNotMember: the sender is not in the conversation.
var ErrNotMember = errors.New("the sender is not a member of this conversation")

// User is a person of the suite.
type User struct {
	ID          int64     `json:"id"`
	Name        string    `json:"name"`
	DisplayName string    `json:"display_name"`
	CreatedAt   time.Time `json:"created_at"`
}

// Conversation is a group of users who write to each other.
type Conversation struct {
	ID        int64     `json:"id"`
	UUID      string    `json:"uuid"`
	Title     string    `json:"title"`
	Members   []int64   `json:"members,omitempty"`
	CreatedAt time.Time `json:"created_at"`
}

// Message is one text in a conversation.
type Message struct {
	UUID           string    `json:"id"`
	ConversationID int64     `json:"conversation_id"`
	SenderID       int64     `json:"sender_id"`
	Body           string    `json:"body"`
	CreatedAt      time.Time `json:"created_at"`
}

// Attachment is the row of a stored object.
type Attachment struct {
	UUID           string    `json:"id"`
	ConversationID int64     `json:"conversation_id"`
	SenderID       int64     `json:"sender_id"`
	FileName       string    `json:"file_name"`
	ContentType    string    `json:"content_type"`
	Size           int64     `json:"size"`
	SHA256         string    `json:"sha256"`
	ObjectKey      string    `json:"-"`
	CreatedAt      time.Time `json:"created_at"`
}

// Acknowledgement tells how a write ended.
type Acknowledgement struct {
	// Database is the server_uuid of the MySQL server that committed the row, or that already had it.
	Database string
	// Repeated: an earlier attempt of the same request had succeeded.
	Repeated bool
}

// Counts is the size of the suite.
type Counts struct {
	Users         int64 `json:"users"`
	Conversations int64 `json:"conversations"`
	Messages      int64 `json:"messages"`
	Attachments   int64 `json:"attachments"`
	AttachedBytes int64 `json:"attached_bytes"`
}

// Check runs a query on the master.
func (s *Store) Check(ctx context.Context) error {
	var id int64
	err := s.master.QueryRowContext(ctx, "SELECT id FROM users LIMIT 1").Scan(&id)
	if errors.Is(err, sql.ErrNoRows) {
		return nil
	}
	return err
}

// CreateUser adds a user; a repeated request with the same name and display name finds the first one.
func (s *Store) CreateUser(ctx context.Context, name, displayName string) (User, Acknowledgement, error) {
	_, server, err := s.write(ctx, "INSERT INTO users (name, display_name) VALUES (?, ?)", name, displayName)
	repeated := isDuplicate(err)
	if err != nil && !repeated {
		return User{}, Acknowledgement{}, s.failed("write", err)
	}
	var user User
	row := s.master.QueryRowContext(ctx, "SELECT id, name, display_name, created_at FROM users WHERE name = ?", name)
	if err := row.Scan(&user.ID, &user.Name, &user.DisplayName, &user.CreatedAt); err != nil {
		return User{}, Acknowledgement{}, s.failed("read", err)
	}
	if user.DisplayName != displayName {
		return User{}, Acknowledgement{}, ErrConflict
	}
	return user, Acknowledgement{server, repeated}, nil
}

// Users lists users after the given id, oldest first.
func (s *Store) Users(ctx context.Context, after int64, limit int) (users []User, err error) {
	err = s.listRead(ctx, func(pool *sql.DB) error {
		users = []User{}
		rows, err := pool.QueryContext(ctx,
			"SELECT id, name, display_name, created_at FROM users WHERE id > ? ORDER BY id LIMIT ?", after, limit)
		return eachRow(rows, err, func() error {
			var user User
			if err := rows.Scan(&user.ID, &user.Name, &user.DisplayName, &user.CreatedAt); err != nil {
				return err
			}
			users = append(users, user)
			return nil
		})
	})
	return users, err
}

// CreateConversation adds a conversation with its members in one transaction.
func (s *Store) CreateConversation(ctx context.Context, uuid, title string, members []int64) (Conversation, Acknowledgement, error) {
	var acknowledgement Acknowledgement
	err := retryBadConnection(func() (err error) {
		acknowledgement, err = s.insertConversation(ctx, uuid, title, members)
		return err
	})
	if err != nil && !isDuplicate(err) {
		if isMissingParent(err) {
			return Conversation{}, acknowledgement, ErrNotFound
		}
		return Conversation{}, acknowledgement, s.failed("write", err)
	}
	acknowledgement.Repeated = err != nil
	conversation := Conversation{UUID: uuid}
	row := s.master.QueryRowContext(ctx, "SELECT id, title, created_at FROM conversations WHERE uuid = ?", uuid)
	if err := row.Scan(&conversation.ID, &conversation.Title, &conversation.CreatedAt); err != nil {
		return Conversation{}, acknowledgement, s.failed("read", err)
	}
	if conversation.Title != title {
		return Conversation{}, acknowledgement, ErrConflict
	}
	conversation.Members, err = s.queryMembers(ctx, s.master, conversation.ID)
	return conversation, acknowledgement, s.failed("read", err)
}

func (s *Store) insertConversation(ctx context.Context, uuid, title string, members []int64) (Acknowledgement, error) {
	conn, err := s.master.Conn(ctx)
	if err != nil {
		return Acknowledgement{}, err
	}
	defer conn.Close()
	transaction, err := conn.BeginTx(ctx, nil)
	if err != nil {
		return Acknowledgement{}, err
	}
	defer func() { _ = transaction.Rollback() }()
	result, err := transaction.ExecContext(ctx, "INSERT INTO conversations (uuid, title) VALUES (?, ?)", uuid, title)
	if err != nil {
		return Acknowledgement{}, err
	}
	id, err := result.LastInsertId()
	if err != nil {
		return Acknowledgement{}, err
	}
	places := strings.TrimSuffix(strings.Repeat("(?, ?),", len(members)), ",")
	values := make([]any, 0, 2*len(members))
	for _, member := range members {
		values = append(values, id, member)
	}
	if _, err := transaction.ExecContext(ctx, "INSERT INTO conversation_members (conversation_id, user_id) VALUES "+places, values...); err != nil {
		return Acknowledgement{}, err
	}
	if err := transaction.Commit(); err != nil {
		return Acknowledgement{}, err
	}
	return Acknowledgement{Database: serverOf(conn)}, nil
}

// Conversations lists conversations after the given id, oldest first, with their members.
func (s *Store) Conversations(ctx context.Context, after int64, limit int) (conversations []Conversation, err error) {
	err = s.listRead(ctx, func(pool *sql.DB) error {
		conversations = []Conversation{}
		rows, err := pool.QueryContext(ctx, `SELECT c.id, c.uuid, c.title, c.created_at, m.user_id
FROM (SELECT id, uuid, title, created_at FROM conversations WHERE id > ? ORDER BY id LIMIT ?) AS c
LEFT JOIN conversation_members AS m ON m.conversation_id = c.id ORDER BY c.id, m.user_id`, after, limit)
		return eachRow(rows, err, func() error {
			var c Conversation
			var member sql.NullInt64
			if err := rows.Scan(&c.ID, &c.UUID, &c.Title, &c.CreatedAt, &member); err != nil {
				return err
			}
			if last := len(conversations) - 1; last < 0 || conversations[last].ID != c.ID {
				conversations = append(conversations, c)
			}
			if member.Valid {
				last := &conversations[len(conversations)-1]
				last.Members = append(last.Members, member.Int64)
			}
			return nil
		})
	})
	return conversations, err
}

// AddMessage stores a message. It returns only after the row is committed. A repeated request finds its first
// attempt; the same id with another content is ErrConflict.
func (s *Store) AddMessage(ctx context.Context, m Message) (Acknowledgement, error) {
	if err := s.requireMember(ctx, m.ConversationID, m.SenderID); err != nil {
		return Acknowledgement{}, err
	}
	_, server, err := s.write(ctx, "INSERT INTO messages (uuid, conversation_id, sender_id, body) VALUES (?, ?, ?, ?)",
		m.UUID, m.ConversationID, m.SenderID, m.Body)
	if err == nil {
		return Acknowledgement{Database: server}, nil
	}
	if !isDuplicate(err) {
		return Acknowledgement{}, s.failed("write", err)
	}
	earlier, err := s.message(ctx, s.master, m.UUID)
	if err != nil {
		return Acknowledgement{}, s.failed("read", err)
	}
	if message.ContentHash(earlier.ConversationID, earlier.SenderID, earlier.Body) !=
		message.ContentHash(m.ConversationID, m.SenderID, m.Body) {
		return Acknowledgement{}, ErrConflict
	}
	return Acknowledgement{Repeated: true}, nil
}

// Message finds one message. Read your writes: a message that the replica does not have yet is looked for on the
// master, so whoever got an acknowledgement always finds it. (Lists may be behind by the replica's lag.)
func (s *Store) Message(ctx context.Context, uuid string) (found Message, err error) {
	err = s.listRead(ctx, func(pool *sql.DB) error {
		found, err = s.message(ctx, pool, uuid)
		if errors.Is(err, sql.ErrNoRows) && pool != s.master {
			found, err = s.message(ctx, s.master, uuid)
		}
		return err
	})
	return found, notFound(err)
}

func (s *Store) message(ctx context.Context, pool *sql.DB, uuid string) (Message, error) {
	m := Message{UUID: uuid}
	row := pool.QueryRowContext(ctx, "SELECT conversation_id, sender_id, body, created_at FROM messages WHERE uuid = ?", uuid)
	err := row.Scan(&m.ConversationID, &m.SenderID, &m.Body, &m.CreatedAt)
	return m, err
}

// Messages lists the newest messages of a conversation.
func (s *Store) Messages(ctx context.Context, conversation int64, limit int) (messages []Message, err error) {
	err = s.listRead(ctx, func(pool *sql.DB) error {
		messages = []Message{}
		rows, err := pool.QueryContext(ctx, `SELECT uuid, conversation_id, sender_id, body, created_at FROM messages
WHERE conversation_id = ? ORDER BY id DESC LIMIT ?`, conversation, limit)
		return eachRow(rows, err, func() error {
			var m Message
			if err := rows.Scan(&m.UUID, &m.ConversationID, &m.SenderID, &m.Body, &m.CreatedAt); err != nil {
				return err
			}
			messages = append(messages, m)
			return nil
		})
	})
	return messages, err
}

// AddAttachment stores the row of an object that is already in MinIO.
func (s *Store) AddAttachment(ctx context.Context, a Attachment) (Acknowledgement, error) {
	_, server, err := s.write(ctx, `INSERT INTO attachments
(uuid, conversation_id, sender_id, file_name, content_type, size, sha256, object_key) VALUES (?, ?, ?, ?, ?, ?, ?, ?)`,
		a.UUID, a.ConversationID, a.SenderID, a.FileName, a.ContentType, a.Size, a.SHA256, a.ObjectKey)
	if err == nil {
		return Acknowledgement{Database: server}, nil
	}
	if !isDuplicate(err) {
		return Acknowledgement{}, s.failed("write", err)
	}
	earlier, err := s.Attachment(ctx, a.UUID)
	if err != nil {
		return Acknowledgement{}, err
	}
	if earlier.SHA256 != a.SHA256 {
		return Acknowledgement{}, ErrConflict
	}
	return Acknowledgement{Repeated: true}, nil
}

// Attachment finds the row of one attachment, on the master.
func (s *Store) Attachment(ctx context.Context, uuid string) (Attachment, error) {
	a := Attachment{UUID: uuid}
	row := s.master.QueryRowContext(ctx, `SELECT conversation_id, sender_id, file_name, content_type, size, sha256, object_key, created_at
FROM attachments WHERE uuid = ?`, uuid)
	err := row.Scan(&a.ConversationID, &a.SenderID, &a.FileName, &a.ContentType, &a.Size, &a.SHA256, &a.ObjectKey, &a.CreatedAt)
	return a, notFound(s.failed("read", err))
}

// Counts counts everything.
func (s *Store) Counts(ctx context.Context) (counts Counts, err error) {
	err = s.listRead(ctx, func(pool *sql.DB) error {
		row := pool.QueryRowContext(ctx, `SELECT (SELECT COUNT(*) FROM users), (SELECT COUNT(*) FROM conversations),
(SELECT COUNT(*) FROM messages), (SELECT COUNT(*) FROM attachments), (SELECT COALESCE(SUM(size), 0) FROM attachments)`)
		return row.Scan(&counts.Users, &counts.Conversations, &counts.Messages, &counts.Attachments, &counts.AttachedBytes)
	})
	return counts, err
}

// Members are the users of a conversation. They are remembered for a minute, because every message asks.
func (s *Store) Members(ctx context.Context, conversation int64) ([]int64, error) {
	if members, ok := s.members.get(conversation); ok {
		return members, nil
	}
	members, err := s.queryMembers(ctx, s.master, conversation)
	if err != nil {
		return nil, s.failed("read", err)
	}
	if len(members) == 0 {
		return nil, ErrNotFound
	}
	s.members.put(conversation, members)
	return members, nil
}

// RequireMember refuses a sender who is not in the conversation.
func (s *Store) RequireMember(ctx context.Context, conversation, user int64) error {
	return s.requireMember(ctx, conversation, user)
}

func (s *Store) requireMember(ctx context.Context, conversation, user int64) error {
	members, err := s.Members(ctx, conversation)
	if err != nil {
		return err
	}
	for _, member := range members {
		if member == user {
			return nil
		}
	}
	return ErrNotMember
}

func (s *Store) queryMembers(ctx context.Context, pool *sql.DB, conversation int64) (members []int64, err error) {
	rows, err := pool.QueryContext(ctx, "SELECT user_id FROM conversation_members WHERE conversation_id = ? ORDER BY user_id", conversation)
	err = eachRow(rows, err, func() error {
		var member int64
		if err := rows.Scan(&member); err != nil {
			return err
		}
		members = append(members, member)
		return nil
	})
	return members, err
}

type cachedMembers struct {
	members []int64
	expires time.Time
}

type memberCache struct {
	entries sync.Map
}

func (c *memberCache) get(conversation int64) ([]int64, bool) {
	entry, ok := c.entries.Load(conversation)
	if !ok || time.Now().After(entry.(cachedMembers).expires) {
		return nil, false
	}
	return entry.(cachedMembers).members, true
}

func (c *memberCache) put(conversation int64, members []int64) {
	c.entries.Store(conversation, cachedMembers{members, time.Now().Add(time.Minute)})
}

// eachRow runs one function per row and closes the rows; it takes Query's error, so that a caller has one error to handle.
func eachRow(rows *sql.Rows, err error, scan func() error) error {
	if err != nil {
		return err
	}
	defer rows.Close()
	for rows.Next() {
		if err := scan(); err != nil {
			return err
		}
	}
	return rows.Err()
}

func notFound(err error) error {
	if errors.Is(err, sql.ErrNoRows) {
		return ErrNotFound
	}
	return err
}

func isDuplicate(err error) bool {
	var failure *mysql.MySQLError
	return errors.As(err, &failure) && failure.Number == 1062
}

func isMissingParent(err error) bool {
	var failure *mysql.MySQLError
	return errors.As(err, &failure) && failure.Number == 1452
}
