#include "runtime/peer_handshake.hpp"

#include "messages/names.hpp"
#include "messages/packed.hpp"

#include <openssl/crypto.h>
#include <openssl/evp.h>
#include <openssl/hmac.h>

#include <utility>

namespace gemel {

namespace {

constexpr std::string_view magic = "gemel-link";
constexpr std::size_t nonce_bytes = 32;
constexpr std::size_t proof_bytes = 32;
constexpr std::size_t name_bytes_max = 256;
constexpr std::size_t words_bytes_max = 1'024;
constexpr std::int64_t patience_ns = 5'000'000'000;

enum message_kind : std::uint8_t { kind_hello = 1, kind_proof = 2, kind_refusal = 3 };

std::string quoted(std::string_view text) {
  return '"' + std::string{text} + '"';
}

// Words of a peer go to logs and terminals.
std::string plain(std::string_view words) {
  std::string made;
  for (auto c : words)
    made += c >= ' ' && c < '\x7f' ? c : '?';
  return made;
}

std::string versions_text(std::uint64_t least, std::uint64_t most) {
  auto text = std::to_string(least);
  return least == most ? text : text + " to " + std::to_string(most);
}

std::string why_not(peer_refusal reason, std::string_view ours, std::string_view peer) {
  if (reason == peer_refusal::unknown_node)
    return quoted(peer) + " is not among the peers of " + quoted(ours);
  if (reason == peer_refusal::certificate)
    return "the certificate of " + quoted(peer) + " does not name it";
  return quoted(ours) + " and " + quoted(peer) + " are linked already";
}

} // namespace

std::string_view to_string(peer_refusal reason) noexcept {
  switch (reason) {
  case peer_refusal::malformed:
    return "malformed";
  case peer_refusal::protocol:
    return "protocol";
  case peer_refusal::cluster:
    return "cluster";
  case peer_refusal::key:
    return "key";
  case peer_refusal::unknown_node:
    return "unknown_node";
  case peer_refusal::other_node:
    return "other_node";
  case peer_refusal::same_name:
    return "same_name";
  case peer_refusal::duplicate:
    return "duplicate";
  case peer_refusal::certificate:
    return "certificate";
  }
  return "unknown";
}

peer_handshake::peer_handshake(peer_greeting ours) : ours_{std::move(ours)} {
  GEMEL_CHECK(ours_.nonce.size() == nonce_bytes);
  GEMEL_CHECK(ours_.key.size() >= peer_key_bytes_min);
  our_hello_ = hello();
  if (ours_.calls)
    put(our_hello_);
}

bool peer_handshake::expired(const moment& now) const noexcept {
  return !done() && now.steady_ns - ours_.began.steady_ns > patience_ns;
}

void peer_handshake::put(std::string_view message) {
  byte_writer made;
  made.fixed(static_cast<std::uint32_t>(message.size()));
  made.raw(message);
  output_ += made.view();
}

std::string peer_handshake::hello() const {
  byte_writer made;
  made.u8(kind_hello);
  made.raw(magic);
  made.varint(peer_protocol_min);
  made.varint(peer_protocol_max);
  made.text(ours_.cluster);
  made.text(ours_.node);
  made.fixed(ours_.life);
  made.raw(ours_.nonce);
  return made.take();
}

std::string peer_handshake::proof_of(bool caller) const {
  byte_writer content;
  content.text(caller ? "gemel-link caller" : "gemel-link called");
  content.text(ours_.calls ? our_hello_ : their_hello_);
  content.text(ours_.calls ? their_hello_ : our_hello_);
  content.text(ours_.channel);
  std::string made(proof_bytes, '\0');
  unsigned size = 0;
  const auto* done = HMAC(EVP_sha256(), ours_.key.data(), static_cast<int>(ours_.key.size()),
                          reinterpret_cast<const unsigned char*>(content.view().data()),
                          content.size(), reinterpret_cast<unsigned char*>(made.data()), &size);
  GEMEL_CHECK(done != nullptr);
  GEMEL_CHECK(size == proof_bytes);
  return made;
}

result<void> peer_handshake::refuse(peer_refusal reason, const std::string& why) {
  byte_writer made;
  made.u8(kind_refusal);
  made.u8(static_cast<std::uint8_t>(reason));
  made.text(why.substr(0, words_bytes_max));
  put(made.view());
  step_ = step::over;
  duplicate_ = reason == peer_refusal::duplicate;
  return fail(errc::incompatible, std::string{to_string(reason)} + ": " + plain(why));
}

result<void> peer_handshake::refused(std::string_view message) {
  byte_reader read{message};
  auto reason = static_cast<peer_refusal>(read.u8());
  auto why = plain(read.text(words_bytes_max, "words"));
  step_ = step::over;
  duplicate_ = read.ok() && reason == peer_refusal::duplicate;
  return fail(errc::incompatible,
              "refused by the peer, " + std::string{to_string(reason)} + ": " + why);
}

result<void> peer_handshake::take(std::string_view message) {
  if (step_ == step::done || step_ == step::over)
    return fail(errc::incompatible, "the handshake is over");
  auto kind = message.empty() ? std::uint8_t{0} : static_cast<std::uint8_t>(message.front());
  if (kind == kind_refusal)
    return refused(message.substr(1));
  if (kind == kind_hello && step_ == step::hello)
    return take_hello(message);
  if (kind == kind_proof && step_ == step::proof)
    return take_proof(message.substr(1));
  return refuse(peer_refusal::malformed, "this is no handshake of a gemel node");
}

result<void> peer_handshake::take_hello(std::string_view message) {
  byte_reader read{message.substr(1)};
  if (read.raw(magic.size()) != magic)
    return refuse(peer_refusal::malformed, "this is no handshake of a gemel node");
  auto least = read.varint();
  auto most = read.varint();
  if (read.ok() && (least > peer_protocol_max || most < peer_protocol_min))
    return refuse(peer_refusal::protocol, "one side speaks version "
                                              + versions_text(peer_protocol_min, peer_protocol_max)
                                              + ", the other " + versions_text(least, most));
  auto cluster = read.text(name_bytes_max, "cluster");
  auto node = read.text(name_bytes_max, "node");
  peer_life_ = read.fixed<std::uint64_t>();
  auto nonce = read.raw(nonce_bytes);
  if (!read.ok() || !check_id(node) || nonce == ours_.nonce)
    return refuse(peer_refusal::malformed, "the greeting cannot be read");
  if (cluster != ours_.cluster)
    return refuse(peer_refusal::cluster, quoted(ours_.node) + " belongs to cluster "
                                             + quoted(ours_.cluster) + ", " + quoted(node) + " to "
                                             + quoted(cluster));
  if (node == ours_.node)
    return refuse(peer_refusal::same_name,
                  "both nodes are called " + quoted(node) + ", or a node called itself");
  if (ours_.calls && node != ours_.wanted)
    return refuse(peer_refusal::other_node,
                  "the node at the address of " + quoted(ours_.wanted) + " is " + quoted(node));
  peer_ = node;
  their_hello_ = message;
  step_ = step::proof;
  if (!ours_.calls)
    put(our_hello_);
  else
    put(std::string{static_cast<char>(kind_proof)} + proof_of(true));
  return {};
}

result<void> peer_handshake::take_proof(std::string_view proof) {
  auto right = proof_of(!ours_.calls);
  if (proof.size() != proof_bytes || CRYPTO_memcmp(proof.data(), right.data(), proof_bytes) != 0)
    return refuse(peer_refusal::key, "the two nodes do not have the same key");
  if (ours_.admit)
    if (auto welcome = ours_.admit(peer_, peer_life_); !welcome)
      return refuse(welcome.error(), why_not(welcome.error(), ours_.node, peer_));
  if (!ours_.calls)
    put(std::string{static_cast<char>(kind_proof)} + proof_of(false));
  step_ = step::done;
  return {};
}

bool new_way_stays(bool new_is_ours, bool old_is_ours, bool same_life, std::string_view ours,
                   std::string_view peer) noexcept {
  if (!same_life || new_is_ours == old_is_ours)
    return true;
  return new_is_ours == (ours < peer);
}

} // namespace gemel
