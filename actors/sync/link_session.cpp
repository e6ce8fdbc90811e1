#include "actors/sync/link_session.hpp"

#include "messages/packed.hpp"

#include <algorithm>
#include <array>
#include <utility>

namespace gemel {

std::string_view to_string(link_state state) noexcept {
  constexpr std::array<std::string_view, 5> names = {"down", "greeting", "up", "suspect",
                                                     "refused"};
  auto index = static_cast<std::size_t>(state);
  return index < names.size() ? names[index] : "unknown";
}

std::size_t bytes_of(const replicated_entry& entry) {
  constexpr std::size_t head = 8;
  constexpr std::size_t stamp = 24;
  auto bytes = head + entry.twin.size() + entry.key.size();
  for (const auto& s : entry.siblings)
    bytes += stamp + s.content.heap_bytes();
  return bytes;
}

std::uint64_t link_session::id() const {
  std::array<std::uint64_t, 2> both{std::min(nonce_, peer_nonce_), std::max(nonce_, peer_nonce_)};
  return hash_of({reinterpret_cast<const char*>(both.data()), sizeof both}) | 1;
}

void link_session::attempt() {
  nonce_ = host_->random() | 1;
  peer_nonce_ = 0;
}

bool link_session::meet(const sync_hello& hello) {
  auto another = peer_.incarnation != hello.incarnation || peer_.site != hello.site;
  peer_nonce_ = hello.nonce;
  peer_ = hello;
  counts_.peer = hello.node;
  ++counts_.sessions;
  return another;
}

void link_session::forget_names() {
  renew_sent_names();
  received_ = received_names{rules_->names_max};
}

void link_session::renew_sent_names() {
  sent_ = sent_names{rules_->names_max, host_->random()};
  if (rules_->broken(planted_bug::names_before_ack))
    sent_.trust_the_wire();
}

void link_session::post(const sync_message& message) {
  auto outside =
      std::holds_alternative<sync_hello>(message) || std::holds_alternative<sync_bye>(message);
  auto made = make_sync(outside ? 0 : id(), message, sent_);
  counts_.sent_bytes += made.size();
  send(std::move(made));
}

result<sync_message> link_session::read(const frame& arrived) {
  return read_sync(arrived, received_, !rules_->broken(planted_bug::checksum_ignored));
}

} // namespace gemel
