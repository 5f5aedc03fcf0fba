package store

import (
	"context"
	"database/sql"
)

// table is one table of the schema.
type table struct{ name, create string }

// The public identifiers come from the client, so that a repeated request finds its first attempt. They are not the primary
// keys: InnoDB keeps rows in the order of the primary key, and random keys would scatter every insert.
var tables = []table{
	{"users", `CREATE TABLE IF NOT EXISTS users (
  id BIGINT UNSIGNED NOT NULL AUTO_INCREMENT,
  name VARCHAR(64) NOT NULL,
  display_name VARCHAR(128) NOT NULL,
  created_at DATETIME(6) NOT NULL DEFAULT CURRENT_TIMESTAMP(6),
  PRIMARY KEY (id),
  UNIQUE KEY users_name (name)
) ENGINE=InnoDB DEFAULT CHARSET=utf8mb4`},
	{"conversations", `CREATE TABLE IF NOT EXISTS conversations (
  id BIGINT UNSIGNED NOT NULL AUTO_INCREMENT,
  uuid CHAR(36) CHARACTER SET ascii COLLATE ascii_bin NOT NULL,
  title VARCHAR(200) NOT NULL,
  created_at DATETIME(6) NOT NULL DEFAULT CURRENT_TIMESTAMP(6),
  PRIMARY KEY (id),
  UNIQUE KEY conversations_uuid (uuid)
) ENGINE=InnoDB DEFAULT CHARSET=utf8mb4`},
	{"conversation_members", `CREATE TABLE IF NOT EXISTS conversation_members (
  conversation_id BIGINT UNSIGNED NOT NULL,
  user_id BIGINT UNSIGNED NOT NULL,
  PRIMARY KEY (conversation_id, user_id),
  KEY conversation_members_user (user_id),
  CONSTRAINT member_conversation FOREIGN KEY (conversation_id) REFERENCES conversations (id),
  CONSTRAINT member_user FOREIGN KEY (user_id) REFERENCES users (id)
) ENGINE=InnoDB DEFAULT CHARSET=utf8mb4`},
	{"messages", `CREATE TABLE IF NOT EXISTS messages (
  id BIGINT UNSIGNED NOT NULL AUTO_INCREMENT,
  uuid CHAR(36) CHARACTER SET ascii COLLATE ascii_bin NOT NULL,
  conversation_id BIGINT UNSIGNED NOT NULL,
  sender_id BIGINT UNSIGNED NOT NULL,
  body TEXT NOT NULL,
  created_at DATETIME(6) NOT NULL DEFAULT CURRENT_TIMESTAMP(6),
  PRIMARY KEY (id),
  UNIQUE KEY messages_uuid (uuid),
  KEY messages_conversation (conversation_id, id)
) ENGINE=InnoDB DEFAULT CHARSET=utf8mb4`},
	{"attachments", `CREATE TABLE IF NOT EXISTS attachments (
  id BIGINT UNSIGNED NOT NULL AUTO_INCREMENT,
  uuid CHAR(36) CHARACTER SET ascii COLLATE ascii_bin NOT NULL,
  conversation_id BIGINT UNSIGNED NOT NULL,
  sender_id BIGINT UNSIGNED NOT NULL,
  file_name VARCHAR(200) NOT NULL,
  content_type VARCHAR(100) NOT NULL,
  size BIGINT UNSIGNED NOT NULL,
  sha256 CHAR(64) CHARACTER SET ascii COLLATE ascii_bin NOT NULL,
  object_key VARCHAR(200) NOT NULL,
  created_at DATETIME(6) NOT NULL DEFAULT CURRENT_TIMESTAMP(6),
  PRIMARY KEY (id),
  UNIQUE KEY attachments_uuid (uuid),
  KEY attachments_conversation (conversation_id, id)
) ENGINE=InnoDB DEFAULT CHARSET=utf8mb4`},
}

// EnsureSchema creates the tables that are missing. It looks first: a read-only server or an account without
// CREATE is no obstacle when nothing is missing.
func EnsureSchema(ctx context.Context, pool *sql.DB) error {
	rows, err := pool.QueryContext(ctx, "SELECT table_name FROM information_schema.tables WHERE table_schema = DATABASE()")
	if err != nil {
		return err
	}
	defer rows.Close()
	present := map[string]bool{}
	for rows.Next() {
		var name string
		if err := rows.Scan(&name); err != nil {
			return err
		}
		present[name] = true
	}
	if err := rows.Err(); err != nil {
		return err
	}
	for _, t := range tables {
		if present[t.name] {
			continue
		}
		if _, err := pool.ExecContext(ctx, t.create); err != nil {
			return err
		}
	}
	return nil
}

// EnsureSchema creates the tables that are missing, on the master.
func (s *Store) EnsureSchema(ctx context.Context) error { return EnsureSchema(ctx, s.master) }
