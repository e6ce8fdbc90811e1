#include "runtime/adapters/peer_tls.hpp"

#include <openssl/err.h>
#include <openssl/ssl.h>
#include <openssl/x509v3.h>

#include <algorithm>
#include <climits>
#include <system_error>

namespace gemel {

namespace {

// The first one of OpenSSL's errors: those behind it say what it led to.
std::string words() {
  auto code = ERR_get_error();
  ERR_clear_error();
  if (ERR_SYSTEM_ERROR(code))
    return std::generic_category().message(ERR_GET_REASON(code));
  const auto* reason = ERR_reason_error_string(code);
  return reason != nullptr ? reason : "no reason given";
}

auto file_fault(const std::string& path) {
  return fail(errc::io_failed, path + ": " + words());
}

} // namespace

struct tls_identity::context {
  context() : ssl{SSL_CTX_new(TLS_method())} { GEMEL_CHECK(ssl != nullptr); }
  ~context() { SSL_CTX_free(ssl); }
  context(const context&) = delete;
  context& operator=(const context&) = delete;

  SSL_CTX* ssl;
};

result<std::shared_ptr<tls_identity>> tls_identity::load(const tls_files& files) {
  ERR_clear_error();
  auto made = std::make_shared<tls_identity>();
  made->context_ = std::make_shared<context>();
  auto* ssl = made->context_->ssl;
  SSL_CTX_set_min_proto_version(ssl, TLS1_3_VERSION);
  SSL_CTX_set_verify(ssl, SSL_VERIFY_PEER | SSL_VERIFY_FAIL_IF_NO_PEER_CERT, nullptr);
  // Nothing is resumed: each connection shows its certificate again.
  SSL_CTX_set_num_tickets(ssl, 0);
  SSL_CTX_set_session_cache_mode(ssl, SSL_SESS_CACHE_OFF);
  // A password would be asked for on the terminal.
  SSL_CTX_set_default_passwd_cb(ssl, [](char*, int, int, void*) { return 0; });
  if (SSL_CTX_use_certificate_chain_file(ssl, files.certificate.c_str()) != 1)
    return file_fault(files.certificate);
  if (SSL_CTX_use_PrivateKey_file(ssl, files.private_key.c_str(), SSL_FILETYPE_PEM) != 1)
    return file_fault(files.private_key);
  if (SSL_CTX_check_private_key(ssl) != 1)
    return file_fault(files.private_key);
  if (SSL_CTX_load_verify_locations(ssl, files.authority.c_str(), nullptr) != 1)
    return file_fault(files.authority);
  return made;
}

struct tls_session::state {
  explicit state(SSL_CTX* of) : ssl{SSL_new(of)} { GEMEL_CHECK(ssl != nullptr); }
  ~state() { SSL_free(ssl); } // with its two ends
  state(const state&) = delete;
  state& operator=(const state&) = delete;

  SSL* ssl;
  BIO* in = BIO_new(BIO_s_mem());
  BIO* out = BIO_new(BIO_s_mem());
};

tls_session::tls_session(const tls_identity& ours, bool calls)
    : state_{std::make_unique<state>(ours.context_->ssl)} {
  GEMEL_CHECK(state_->in != nullptr);
  GEMEL_CHECK(state_->out != nullptr);
  SSL_set_bio(state_->ssl, state_->in, state_->out);
  if (calls)
    SSL_set_connect_state(state_->ssl);
  else
    SSL_set_accept_state(state_->ssl);
  static_cast<void>(advance()); // the caller's first words
}

tls_session::~tls_session() = default;

result<void> tls_session::advance() {
  if (ready_)
    return {};
  ERR_clear_error();
  auto done = SSL_do_handshake(state_->ssl);
  if (done == 1) {
    ready_ = true;
    return {};
  }
  if (SSL_get_error(state_->ssl, done) == SSL_ERROR_WANT_READ)
    return {};
  auto verified = SSL_get_verify_result(state_->ssl);
  return fail(errc::incompatible,
              "TLS: "
                  + (verified != X509_V_OK ? X509_verify_cert_error_string(verified) : words()));
}

result<void> tls_session::take(std::string_view bytes, std::string& plain) {
  GEMEL_CHECK(bytes.size() <= INT_MAX);
  BIO_write(state_->in, bytes.data(), static_cast<int>(bytes.size()));
  if (auto advanced = advance(); !advanced || !ready_)
    return advanced;
  char block[16'384];
  for (;;) {
    ERR_clear_error();
    auto count = SSL_read(state_->ssl, block, sizeof block);
    if (count > 0) {
      plain.append(block, static_cast<std::size_t>(count));
      continue;
    }
    auto why = SSL_get_error(state_->ssl, count);
    if (why == SSL_ERROR_WANT_READ)
      return {};
    if (why == SSL_ERROR_ZERO_RETURN)
      return fail(errc::unreachable, "the peer ended the link");
    return fail(errc::incompatible, "TLS: " + words());
  }
}

result<void> tls_session::say(std::string_view plain) {
  GEMEL_CHECK(ready_);
  ERR_clear_error();
  std::size_t count = 0;
  // Into memory, so it takes all or there is no more memory.
  if (!plain.empty() && SSL_write_ex(state_->ssl, plain.data(), plain.size(), &count) != 1)
    return fail(errc::io_failed, "TLS: " + words());
  return {};
}

std::string tls_session::take_output() {
  std::string made(static_cast<std::size_t>(BIO_pending(state_->out)), '\0');
  if (!made.empty())
    BIO_read(state_->out, made.data(), static_cast<int>(made.size()));
  return made;
}

bool tls_session::names(const std::string& node) const {
  auto* certificate = SSL_get1_peer_certificate(state_->ssl);
  if (certificate == nullptr)
    return false;
  auto matches =
      X509_check_host(certificate, node.data(), node.size(), X509_CHECK_FLAG_NO_WILDCARDS, nullptr)
      == 1;
  X509_free(certificate);
  return matches;
}

std::string tls_session::channel() const {
  constexpr std::string_view label = "EXPORTER-gemel-link";
  std::string made(32, '\0');
  auto done = SSL_export_keying_material(state_->ssl, reinterpret_cast<unsigned char*>(made.data()),
                                         made.size(), label.data(), label.size(), nullptr, 0, 0);
  GEMEL_CHECK(done == 1);
  return made;
}

} // namespace gemel
