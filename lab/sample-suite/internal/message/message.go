// Package message holds what the backend and the judge of the traffic must agree on: how content is hashed, and what
// an identifier looks like.
package message

import (
	"crypto/rand"
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	mathrand "math/rand/v2"
	"regexp"
	"strings"
)

// MaximumBytes is the longest body of a message.
const MaximumBytes = 8192

// MaximumAttachmentBytes is the largest attachment.
const MaximumAttachmentBytes = 16 << 20

var identifier = regexp.MustCompile(`^[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}$`)

// ValidID tells whether the text is a UUID in lower case.
func ValidID(text string) bool { return identifier.MatchString(text) }

// ContentHash is the SHA-256 of everything that a message says: where, who and what. A row moved to another
// conversation is as wrong as one with another text.
func ContentHash(conversationID, senderID int64, body string) string {
	sum := sha256.Sum256(fmt.Appendf(nil, "%d\n%d\n%s", conversationID, senderID, body))
	return hex.EncodeToString(sum[:])
}

// NewID makes a random UUID (version 4).
func NewID() string {
	var bytes [16]byte
	// crypto/rand.Read never fails: it ends the program instead.
	_, _ = rand.Read(bytes[:])
	return formatID(bytes)
}

// DerivedID makes the same UUID (version 8) for the same text every time.
func DerivedID(text string) string {
	sum := sha256.Sum256([]byte(text))
	id := formatID([16]byte(sum[:16]))
	return id[:14] + "8" + id[15:]
}

func formatID(bytes [16]byte) string {
	bytes[6] = bytes[6]&0x0f | 0x40
	bytes[8] = bytes[8]&0x3f | 0x80
	return fmt.Sprintf("%x-%x-%x-%x-%x", bytes[0:4], bytes[4:6], bytes[6:8], bytes[8:10], bytes[10:16])
}

// words are what people of the lab say: Chinese, Latin and characters of four bytes, because a wrong character set
// somewhere on the way shows only with such text.
var words = []string{
	"你好", "今天开会吗", "收到", "明天见", "👍", "文件已发送", "稍等一下", "😀", "hello", "OK", "谢谢", "辛苦了", "晚上一起吃饭", "服务器重启了吗",
	"see you", "没问题", "𠮷野家", "\"引号\"", "C:\\temp", "100%", "it's", "<b>", "请查收", "周五发布", "🎉", "再确认一下", "好的",
}

// RandomBody makes a text of 3 to 60 words.
func RandomBody(random *mathrand.Rand) string {
	var text strings.Builder
	for range 3 + random.IntN(58) {
		text.WriteString(words[random.IntN(len(words))])
		text.WriteByte(' ')
	}
	return text.String()
}
