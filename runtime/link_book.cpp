#include "runtime/link_book.hpp"

#include "messages/packed.hpp"
#include "runtime/detail/cluster_check.hpp"
#include "runtime/detail/config_table.hpp"

#include <algorithm>

namespace gemel {

namespace {

constexpr std::uint8_t format = 1;
constexpr std::size_t text_bytes_max = 1'024;

std::string in_quotes(std::string_view text) {
  return '\'' + std::string{text} + '\'';
}

} // namespace

link_book::link_book(options of, const std::vector<std::string>& configured)
    : options_{std::move(of)} {
  for (const auto& node : configured)
    links_.push_back({node, node, true, true});
}

const link_book::link* link_book::find(std::string_view node) const {
  auto at = std::find_if(links_.begin(), links_.end(),
                         [&](const link& one) { return one.is_there && one.node == node; });
  return at != links_.end() ? &*at : nullptr;
}

result<peer_address> link_book::check(std::string_view text) const {
  auto peer = text.size() <= text_bytes_max
                  ? detail::read_peer(text)
                  : result<peer_address>{fail(errc::bad_value, "it is too long")};
  if (!peer)
    return fail(peer.error().code, in_quotes(text) + " is no peer: " + peer.error().context
                                       + "; give NODE or NODE=HOST:PORT");
  if (!peer->host.empty())
    if (auto valid = detail::check_address(peer->host); !valid)
      return fail(errc::bad_value, in_quotes(peer->host) + ": " + valid.error().context);
  if (peer->node == options_.node)
    return fail(errc::precondition_failed, in_quotes(peer->node) + " is this node itself");
  if (const auto* known = find(peer->node))
    return fail(errc::precondition_failed,
                in_quotes(peer->node) + " is a peer already"
                    + (known->is_configured ? ", by the config" : ", as " + known->text));
  if (!options_.may_leave_machine && !peer->host.empty() && !detail::is_loopback(peer->host))
    return fail(errc::precondition_failed,
                in_quotes(peer->host)
                    + " is on another machine, and this node has no certificates: "
                      "set cluster.certificate, private_key and authority, or "
                      "cluster.insecure = true where everyone is trusted");
  if (links_.size() >= numbers_max)
    return fail(errc::limit_reached,
                std::to_string(numbers_max)
                    + " peers were added since the start; start the node anew");
  return peer;
}

std::uint32_t link_book::add(const peer_address& peer, std::string text) {
  links_.push_back({peer.node, std::move(text), false, true});
  return static_cast<std::uint32_t>(links_.size() - 1);
}

result<std::uint32_t> link_book::remove(std::string_view node) {
  const auto* known = find(node);
  if (known == nullptr)
    return fail(errc::not_found, in_quotes(node) + " is no peer of this node");
  if (known->is_configured)
    return fail(errc::precondition_failed,
                in_quotes(node)
                    + " is a peer by the config: take it out of cluster.peers and start "
                      "the node anew");
  auto number = static_cast<std::uint32_t>(known - links_.data());
  links_[number].is_there = false;
  return number;
}

std::string link_book::pack() const {
  std::vector<std::string_view> texts;
  for (const auto& one : links_)
    if (one.is_there && !one.is_configured)
      texts.push_back(one.text);
  byte_writer out;
  out.u8(format);
  out.varint(texts.size());
  for (auto text : texts)
    out.text(text);
  return out.take();
}

result<std::vector<std::string>> link_book::unpack(std::string_view bytes) {
  byte_reader in{bytes};
  std::vector<std::string> made;
  if (in.u8() != format)
    in.fail("an unknown format");
  for (auto left = in.bounded(numbers_max, "too many links"); left > 0 && in.ok(); --left)
    made.emplace_back(in.text(text_bytes_max, "a peer's name is too long"));
  if (in.ok() && !in.at_end())
    in.fail("more than the links");
  if (!in.ok())
    return tl::unexpected{in.why("links of this node")};
  return made;
}

} // namespace gemel
