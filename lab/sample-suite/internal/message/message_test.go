package message

import "testing"

func TestIDs(t *testing.T) {
	first, second := NewID(), NewID()
	if !ValidID(first) || first == second {
		t.Fatalf("bad identifiers %q %q", first, second)
	}
	if derived := DerivedID("a"); !ValidID(derived) || derived != DerivedID("a") || derived == DerivedID("b") {
		t.Fatalf("bad derived identifier %q", derived)
	}
	for _, bad := range []string{"", "x", first + "0", "' OR 1=1"} {
		if ValidID(bad) {
			t.Fatalf("%q passed as an identifier", bad)
		}
	}
}

func TestContentHashCoversEveryPart(t *testing.T) {
	hash := ContentHash(1, 2, "text")
	for _, other := range []string{ContentHash(12, 2, "text"), ContentHash(1, 3, "text"), ContentHash(1, 2, "Text")} {
		if other == hash {
			t.Fatal("another content has the same hash")
		}
	}
}
