package simulator

import "slices"

// The application permissions of which an operation needs any one, as the permission table of its page has them. Of what a
// page asks for certain properties beyond its table only the password's is checked; and no account is an administrator's.
var (
	readUsers = []string{"User.Read.All", "User.ReadWrite.All", "Directory.Read.All", "Directory.ReadWrite.All"}
	// graph/api/user-post-users, user-update, user-post-manager.
	writeUsers = []string{"User.ReadWrite.All", "Directory.ReadWrite.All"}
	// graph/api/user-update, passwordProfile. The directory role that does as well is not simulated.
	writePasswords = []string{"User-PasswordProfile.ReadWrite.All"}
	// graph/api/user-revokesigninsessions.
	endSessions = []string{"User.RevokeSessions.All", "User.ReadWrite.All", "Directory.ReadWrite.All"}
	// graph/api/user-delete, directory-deleteditems-restore.
	deleteUsers = []string{"User.ReadWrite.All"}
	// graph/api/authentication-list-methods, phoneauthenticationmethod-delete.
	readMethods  = []string{"UserAuthenticationMethod.Read.All", "UserAuthenticationMethod.ReadWrite.All"}
	writeMethods = []string{"UserAuthenticationMethod.ReadWrite.All"}
	// graph/api/group-list, group-list-members.
	readGroups = []string{
		"GroupMember.Read.All", "GroupMember.ReadWrite.All", "Group.Read.All", "Group.ReadWrite.All", "Directory.Read.All", "Directory.ReadWrite.All",
	}
	writeGroups = []string{"Group.ReadWrite.All", "Directory.ReadWrite.All"}
	// graph/api/group-post-members, group-delete-members.
	writeMembers = []string{"GroupMember.ReadWrite.All", "Group.ReadWrite.All", "Directory.ReadWrite.All"}
	readSkus     = []string{"Organization.Read.All", "Directory.Read.All", "Directory.ReadWrite.All"}
	writeLicence = []string{"LicenseAssignment.ReadWrite.All", "User.ReadWrite.All", "Directory.ReadWrite.All"}
	readRoles    = []string{"Application.Read.All", "Application.ReadWrite.All", "Directory.Read.All", "AppRoleAssignment.ReadWrite.All"}
	// graph/api/serviceprincipal-list, serviceprincipal-get.
	readApplications = []string{"Application.Read.All", "Application.ReadWrite.All", "Directory.Read.All", "Directory.ReadWrite.All"}
	writeRoles       = []string{"AppRoleAssignment.ReadWrite.All"}
	invite           = []string{"User.Invite.All", "User.ReadWrite.All", "Directory.ReadWrite.All"}
)

// permits reports whether the application was granted any of the permissions. None wanted is always granted.
func (s *Simulator) permits(anyOf []string) bool {
	granted := s.options.Permissions
	return granted == nil || len(anyOf) == 0 || slices.ContainsFunc(anyOf, func(p string) bool { return slices.Contains(granted, p) })
}
