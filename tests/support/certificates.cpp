#include "tests/support/certificates.hpp"

#include <openssl/evp.h>
#include <openssl/pem.h>
#include <openssl/x509.h>
#include <openssl/x509v3.h>

#include <cstdio>
#include <stdexcept>

namespace gemel::test {

namespace {

void must(bool done) {
  if (!done)
    throw std::runtime_error{"no certificate can be made"};
}

struct signed_key {
  EVP_PKEY* key = EVP_EC_gen("P-256");
  X509* certificate = X509_new();

  signed_key() { must(key != nullptr && certificate != nullptr); }
  ~signed_key() {
    X509_free(certificate);
    EVP_PKEY_free(key);
  }
  signed_key(const signed_key&) = delete;
  signed_key& operator=(const signed_key&) = delete;

  void describe(const std::string& name, long number) {
    constexpr long day_s = 86'400;
    X509_set_version(certificate, 2);
    ASN1_INTEGER_set(X509_get_serialNumber(certificate), number);
    X509_gmtime_adj(X509_getm_notBefore(certificate), -day_s);
    X509_gmtime_adj(X509_getm_notAfter(certificate), day_s);
    X509_set_pubkey(certificate, key);
    X509_NAME_add_entry_by_txt(X509_get_subject_name(certificate), "CN", MBSTRING_UTF8,
                               reinterpret_cast<const unsigned char*>(name.c_str()), -1, -1, 0);
  }
  void extend(int kind, const std::string& content) {
    auto* extension = X509V3_EXT_conf_nid(nullptr, nullptr, kind, content.c_str());
    must(extension != nullptr && X509_add_ext(certificate, extension, -1) == 1);
    X509_EXTENSION_free(extension);
  }
  void sign(const signed_key& by) {
    X509_set_issuer_name(certificate, X509_get_subject_name(by.certificate));
    must(X509_sign(certificate, by.key, EVP_sha256()) != 0);
  }
  void write_certificate(const std::string& path) const {
    auto* file = std::fopen(path.c_str(), "w");
    must(file != nullptr && PEM_write_X509(file, certificate) == 1);
    std::fclose(file);
  }
  void write_key(const std::string& path) const {
    auto* file = std::fopen(path.c_str(), "w");
    must(file != nullptr
         && PEM_write_PrivateKey(file, key, nullptr, nullptr, 0, nullptr, nullptr) == 1);
    std::fclose(file);
  }
};

} // namespace

struct certificate_maker::state {
  std::string folder;
  signed_key authority{};
  long count = 1;
};

certificate_maker::certificate_maker(std::string folder) : state_{std::make_unique<state>()} {
  state_->folder = std::move(folder);
  auto& authority = state_->authority;
  authority.describe("tests", state_->count);
  authority.extend(NID_basic_constraints, "critical,CA:TRUE");
  authority.sign(authority);
  authority.write_certificate(state_->folder + "/authority.pem");
}

certificate_maker::~certificate_maker() = default;

tls_files certificate_maker::make(const std::string& node) {
  signed_key made;
  made.describe(node, ++state_->count);
  made.extend(NID_subject_alt_name, "DNS:" + node);
  made.sign(state_->authority);
  auto stem = state_->folder + "/" + node + std::to_string(state_->count);
  made.write_certificate(stem + ".pem");
  made.write_key(stem + ".key");
  return {stem + ".pem", stem + ".key", state_->folder + "/authority.pem"};
}

} // namespace gemel::test
