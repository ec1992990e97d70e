package sample

import (
	"fmt"
	"time"
)

// The size of the company: one executive, the heads of eight departments, three leads in each, and those who report to
// them.
const (
	workers        = 300
	leadsPerDept   = 3
	contractorStep = 9  // every ninth of the rest is a contractor
	internStep     = 14 // every fourteenth of the rest an intern
)

// worker is a person as they join.
type worker struct {
	number       int // from 1; the employee id is made of it
	given        string
	family       string
	familyLeads  bool
	email        string // empty for most: it is allocated
	kind         string
	department   int // index into departments
	title        string
	place        place
	manager      int // number; 0 for the executive
	startedSince int // days before the day of the script
	contractDays int // days from then on; 0 for no end
}

func employeeID(number int) string { return fmt.Sprintf("A%04d", number) }

// company are all workers by number.
func company() []worker {
	heads := len(departments)
	staff := make([]worker, workers)
	for i := range staff {
		w := worker{number: i + 1, kind: "employee", startedSince: 45 + i*6, place: places[i%len(places)]}
		w.given = w.place.given[i/len(places)%len(w.place.given)]
		w.family = w.place.family[(i/len(places)+i/3)%len(w.place.family)]
		w.familyLeads = w.place.familyLeads
		switch rank := i - 1; {
		case i == 0:
			w.department, w.title = 4, "Head of the Company"
		case rank < heads:
			w.department, w.manager = rank, 1
			w.title = "Head of " + departments[rank].name
		case rank < heads+heads*leadsPerDept:
			w.department = (rank - heads) / leadsPerDept
			w.manager = 2 + w.department
			w.title = "Lead " + departments[w.department].work
		default:
			w = member(w, rank-heads-heads*leadsPerDept)
		}
		staff[i] = w
	}
	return namesakes(staff)
}

// member makes the worker the n-th of those who lead nobody.
func member(w worker, n int) worker {
	heads := len(departments)
	w.department = n % heads
	w.manager = 2 + heads + w.department*leadsPerDept + n/heads%leadsPerDept
	w.title = departments[w.department].work
	switch {
	case n%contractorStep == contractorStep-1:
		w.kind, w.contractDays = "contractor", 60+n%140
	case n%internStep == internStep-1:
		w.kind, w.title = "intern", "Intern"
	case n%25 == 1:
		w.email = employeeID(w.number) + "@acme.example" // HR chose it long ago
	}
	return w
}

// Which people are somebody's namesake.
const (
	firstNamesake = 61 // by number
	namesakeStep  = 17
	namesakesAll  = 11
)

func (w worker) namesake() bool {
	n := w.number - firstNamesake
	return n >= 0 && n%namesakeStep == 0 && n/namesakeStep < namesakesAll
}

// namesakes gives some people one name, and others names that come to the same user name.
func namesakes(staff []worker) []worker {
	for i, name := range [namesakesAll]struct {
		given, family string
		familyLeads   bool
	}{
		{"Anna", "Müller", false}, {"Anna", "Müller", false}, {"Anna", "Müller", false},
		{"Änne", "Mueller", false}, {"Axel", "Müller", false},
		{"João", "Silva", false}, {"João", "Silva", false}, {"Joana", "Silva", false}, {"José", "Silva", false},
		{"花子", "山田", true}, {"花子", "山田", true}, //nolint:gosmopolitan // a name
	} {
		w := &staff[firstNamesake-1+i*namesakeStep]
		w.given, w.family, w.familyLeads = name.given, name.family, name.familyLeads
	}
	return staff
}

func (w worker) displayName() string {
	if w.familyLeads {
		return w.family + " " + w.given
	}
	return w.given + " " + w.family
}

// record is the worker's HR record on the day they join.
func (w worker) record(day time.Time) map[string]any {
	record := map[string]any{
		"employeeId":  employeeID(w.number),
		"givenName":   w.given,
		"familyName":  w.family,
		"displayName": w.displayName(),
		"workerType":  w.kind,
		"department":  departments[w.department].name,
		"title":       w.title,
		"location":    w.place.city,
		"timeZone":    w.place.zone,
		"startDate":   date(day, -w.startedSince),
		"custom":      map[string]any{"costCenter": fmt.Sprintf("CC-%02d", 10+w.department)},
	}
	if w.email != "" {
		record["email"] = w.email
	}
	if w.manager > 0 {
		record["managerEmployeeId"] = employeeID(w.manager)
	}
	if w.contractDays > 0 {
		record["endDate"] = date(day, w.contractDays)
	}
	return record
}

func date(day time.Time, offset int) string { return day.AddDate(0, 0, offset).Format(time.DateOnly) }
