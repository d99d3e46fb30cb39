package visits

import (
	"os"
	"testing"
)

func TestVisitsOfAPageAreCounted(t *testing.T) {
	counter, err := Open(os.Getenv("DATABASE_SOCKET"))
	if err != nil {
		t.Fatal(err)
	}
	defer counter.Close()
	for expected := 1; expected <= 3; expected++ {
		count, err := counter.Visit("index")
		if err != nil || count != expected {
			t.Fatalf("visit %d: %d, %v", expected, count, err)
		}
	}
	if count, _ := counter.Visit("about"); count != 1 {
		t.Fatalf("pages are counted separately, but the first visit was number %d", count)
	}
}
