package main

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/pem"
	"errors"
	"fmt"
	"net"
	"os"
	"path/filepath"
	"slices"
	"time"
)

// The files of a simulator's certificate in its folder. The key of the CA is in none: it signs once and is forgotten, so
// that nobody who trusts the CA trusts anything else by it.
const (
	caFileName   = "ca.pem"
	certFileName = "server.pem"
	keyFileName  = "server-key.pem"
)

const (
	certificateLife = 10 * 365 * 24 * time.Hour
	// certificateLeft is how long a kept one must still be good for: a simulator may run for as long.
	certificateLeft = 30 * 24 * time.Hour
)

// simulatorCertificate is the server's certificate for this machine and the host, with the file to trust it by. The one in
// the folder is used while it serves; otherwise another is made, with another CA.
func simulatorCertificate(folder, host string, now time.Time) (certificate tls.Certificate, caFile string, err error) {
	if caFile, err = filepath.Abs(filepath.Join(folder, caFileName)); err != nil {
		return tls.Certificate{}, "", fmt.Errorf("find the folder %s: %w", folder, err)
	}
	folder = filepath.Dir(caFile)
	hosts := []string{"localhost", "127.0.0.1", "::1"}
	if !slices.Contains(hosts, host) {
		hosts = append(hosts, host)
	}
	certificate, err = keptCertificate(folder, hosts, now)
	if err != nil {
		err = makeCertificate(folder, hosts, now)
		if err == nil {
			certificate, err = keptCertificate(folder, hosts, now)
		}
	}
	if err != nil {
		return tls.Certificate{}, "", fmt.Errorf("make a certificate in %s: %w", folder, err)
	}
	return certificate, caFile, nil
}

// keptCertificate is an error unless the files are there, belong together, and serve for all the hosts for a while yet.
func keptCertificate(folder string, hosts []string, now time.Time) (tls.Certificate, error) {
	ca, err := os.ReadFile(filepath.Join(folder, caFileName)) //nolint:gosec // the caller names the folder
	if err != nil {
		return tls.Certificate{}, err
	}
	certificate, err := tls.LoadX509KeyPair(filepath.Join(folder, certFileName), filepath.Join(folder, keyFileName))
	if err != nil {
		return tls.Certificate{}, err
	}
	roots := x509.NewCertPool()
	if !roots.AppendCertsFromPEM(ca) {
		return tls.Certificate{}, errors.New(caFileName + " holds no certificate")
	}
	for _, host := range hosts {
		if _, err := certificate.Leaf.Verify(x509.VerifyOptions{Roots: roots, DNSName: host, CurrentTime: now.Add(certificateLeft)}); err != nil {
			return tls.Certificate{}, err
		}
	}
	return certificate, nil
}

// makeCertificate writes a CA and a certificate for the hosts.
func makeCertificate(folder string, hosts []string, now time.Time) error {
	// Since an hour ago, so that clocks may differ.
	since, until := now.Add(-time.Hour), now.Add(certificateLife)
	ca := &x509.Certificate{
		Subject: pkix.Name{CommonName: "Tenure simulator CA"}, NotBefore: since, NotAfter: until,
		IsCA: true, BasicConstraintsValid: true, MaxPathLenZero: true, KeyUsage: x509.KeyUsageCertSign,
	}
	server := &x509.Certificate{
		Subject: pkix.Name{CommonName: "Tenure simulator"}, NotBefore: since, NotAfter: until,
		KeyUsage: x509.KeyUsageDigitalSignature, ExtKeyUsage: []x509.ExtKeyUsage{x509.ExtKeyUsageServerAuth},
	}
	for _, host := range hosts {
		if ip := net.ParseIP(host); ip != nil {
			server.IPAddresses = append(server.IPAddresses, ip)
		} else {
			server.DNSNames = append(server.DNSNames, host)
		}
	}
	caKey, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		return err
	}
	caDER, err := x509.CreateCertificate(rand.Reader, ca, ca, caKey.Public(), caKey)
	if err != nil {
		return err
	}
	if ca, err = x509.ParseCertificate(caDER); err != nil { // with its key's id, which the server's names
		return err
	}
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		return err
	}
	serverDER, err := x509.CreateCertificate(rand.Reader, server, ca, key.Public(), caKey)
	if err != nil {
		return err
	}
	keyDER, err := x509.MarshalPKCS8PrivateKey(key)
	if err != nil {
		return err
	}
	return errors.Join(
		writePEM(filepath.Join(folder, keyFileName), "PRIVATE KEY", keyDER, 0o600),
		writePEM(filepath.Join(folder, certFileName), "CERTIFICATE", serverDER, 0o644),
		writePEM(filepath.Join(folder, caFileName), "CERTIFICATE", caDER, 0o644),
	)
}

// writePEM puts a new file in the place of what is there, so that the mode is its own, whoever made the other.
func writePEM(name, kind string, der []byte, mode os.FileMode) error {
	file, err := os.CreateTemp(filepath.Dir(name), filepath.Base(name)+".*") // of mode 0600
	if err != nil {
		return err
	}
	err = pem.Encode(file, &pem.Block{Type: kind, Bytes: der})
	err = errors.Join(err, file.Chmod(mode), file.Close())
	if err == nil {
		err = os.Rename(file.Name(), name)
	}
	if err != nil {
		_ = os.Remove(file.Name())
	}
	return err
}
