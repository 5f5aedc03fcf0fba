package seed

import (
	"bytes"
	"testing"
)

func known() *history {
	h := &history{Plan: Plan{Seed: 7, Users: 20, Conversations: 5, Messages: 100, Attachments: 10}}
	for i := range h.Users {
		h.users = append(h.users, int64(1000+i))
	}
	for i := range h.Conversations {
		h.conversations = append(h.conversations, int64(50+i))
		h.memberships = append(h.memberships, h.members(i))
	}
	return h
}

func TestTheSameSeedMakesTheSameHistory(t *testing.T) {
	first, second := known(), known()
	ids := map[string]bool{}
	for i := range 100 {
		if first.message(i) != second.message(i) {
			t.Fatalf("message %d differs", i)
		}
		ids[first.message(i).UUID] = true
	}
	if len(ids) != 100 {
		t.Fatal("two messages have one id")
	}
	one, content := first.attachment(3)
	two, again := second.attachment(3)
	if one != two || !bytes.Equal(content, again) || int(one.Size) != len(content) || len(content) < 1024 || len(content) > 2<<20 {
		t.Fatal("the attachment differs or has a wrong size")
	}
	second.Seed = 8
	if first.message(1).UUID == second.message(1).UUID {
		t.Fatal("another seed makes the same ids")
	}
}

func TestSendersAreMembers(t *testing.T) {
	h := known()
	for i := range 100 {
		m := h.message(i)
		found := false
		for _, member := range h.memberships[m.ConversationID-50] {
			found = found || h.users[member] == m.SenderID
		}
		if !found {
			t.Fatalf("the sender of message %d is not in its conversation", i)
		}
	}
}
