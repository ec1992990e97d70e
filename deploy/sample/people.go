package sample

// place is where people work, with names that are common there. Any likeness to a real person is chance.
type place struct {
	city, zone  string
	given       []string
	family      []string
	familyLeads bool // the family name comes first in the display name
}

var places = []place{
	{
		city: "Berlin", zone: "Europe/Berlin",
		given:  []string{"Anna", "Jörg", "Käthe", "Björn", "Sophie", "Günther", "Anneliese"},
		family: []string{"Müller", "Schäfer", "Großmann", "Weiß", "Krüger"},
	},
	{
		city: "Lisbon", zone: "Europe/Lisbon",
		given:  []string{"João", "Inês", "Gonçalo", "Conceição", "Joana", "Tomás"},
		family: []string{"Silva", "Magalhães", "Simões", "Araújo", "Brandão"},
	},
	{
		city: "Warsaw", zone: "Europe/Warsaw",
		given:  []string{"Łukasz", "Małgorzata", "Grażyna", "Wojciech", "Zofia"},
		family: []string{"Wójcik", "Dąbrowska", "Jabłoński", "Śliwa"},
	},
	{
		city: "Athens", zone: "Europe/Athens",
		given:  []string{"Γιώργος", "Ελένη", "Δημήτρης", "Κατερίνα"},
		family: []string{"Αλεξίου", "Μακρής", "Σταύρου"},
	},
	{
		city: "Istanbul", zone: "Europe/Istanbul",
		given:  []string{"Ayşe", "Çağlar", "İrem", "Doğan", "Gülşen"},
		family: []string{"Yıldız", "Öztürk", "Şahin", "Işık"},
	},
	{
		city: "Reykjavik", zone: "Atlantic/Reykjavik",
		given:  []string{"Þóra", "Ægir", "Sigríður", "Höskuldur"},
		family: []string{"Jónsdóttir", "Þorvaldsson", "Guðmundsdóttir"},
	},
	{
		city: "Toronto", zone: "America/Toronto",
		given:  []string{"Chloé", "Liam", "Zoë", "Mary-Jane", "Olivia"},
		family: []string{"O’Neil", "Tremblay", "Côté", "van der Berg", "MacLeod"},
	},
	{
		city: "São Paulo", zone: "America/Sao_Paulo",
		given:  []string{"Antônio", "Luísa", "Caetano", "Vitória"},
		family: []string{"Gonçalves", "da Conceição", "Falcão", "Silva"},
	},
	{
		city: "Tokyo", zone: "Asia/Tokyo", familyLeads: true,
		given:  []string{"花子", "太郎", "美咲", "健一"}, //nolint:gosmopolitan // names
		family: []string{"山田", "佐々木", "小林"},      //nolint:gosmopolitan // names
	},
	{
		city: "Hanoi", zone: "Asia/Ho_Chi_Minh", familyLeads: true,
		given:  []string{"Thị Hương", "Văn Đức", "Ngọc Ánh", "Quốc Bảo"},
		family: []string{"Nguyễn", "Trần", "Đặng"},
	},
	{
		city: "Cairo", zone: "Africa/Cairo",
		given:  []string{"ليلى", "يوسف", "مريم"},
		family: []string{"الشافعي", "منصور", "حداد"},
	},
	{
		city: "Auckland", zone: "Pacific/Auckland",
		given:  []string{"Māia", "Tāne", "Grace", "Wiremu"},
		family: []string{"Ngātai", "Walker", "Pōtiki"},
	},
	{
		city: "Honolulu", zone: "Pacific/Honolulu",
		given:  []string{"Leilani", "Kaʻimi", "Noelani"},
		family: []string{"Kealoha", "Kahananui", "Lee"},
	},
}

// department is one of the eight, with the title of those who do its work.
type department struct{ name, work string }

var departments = []department{
	{"Engineering", "Engineer"},
	{"Finance", "Accountant"},
	{"Legal", "Counsel"},
	{"Marketing", "Copywriter"},
	{"Operations", "Planner"},
	{"People", "Recruiter"},
	{"Sales", "Account Manager"},
	{"Support", "Support Agent"},
}

// marriedNames are what people are called after a change of their family name.
var marriedNames = []string{"Lindqvist", "Nováková", "Fernández", "Łoś", "Ørsted", "Vāgner"}
