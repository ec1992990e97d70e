package sample

import (
	"encoding/csv"
	"io"
	"time"
)

//go:generate go test -run TestWorkersFileIsCurrent -update .

// fileDay is the day that the dates in workers.csv are counted from: the file must not change from day to day.
var fileDay = time.Date(2026, 1, 15, 0, 0, 0, 0, time.UTC)

// fileContractYears are added to the ends of contracts in workers.csv, so that an import years later still finds
// contractors and not leavers.
const fileContractYears = 20

var columns = []string{
	"employeeId", "givenName", "familyName", "displayName", "email", "workerType", "department", "title",
	"location", "timeZone", "managerEmployeeId", "startDate", "endDate",
}

// WriteCSV writes the 300 workers as a file for `tenure import`: a header with the record's field names, and a row each.
func WriteCSV(w io.Writer) error {
	rows := csv.NewWriter(w)
	if err := rows.Write(columns); err != nil {
		return err
	}
	for _, worker := range company() {
		record := worker.record(fileDay)
		if worker.contractDays > 0 {
			record["endDate"] = date(fileDay.AddDate(fileContractYears, 0, 0), worker.contractDays)
		}
		row := make([]string, len(columns))
		for i, column := range columns {
			row[i], _ = record[column].(string)
		}
		if err := rows.Write(row); err != nil {
			return err
		}
	}
	rows.Flush()
	return rows.Error()
}
