#pragma once

#include "runtime/peer_transport.hpp"

#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

namespace gemel {

/// Which peers a node is linked to: those of its config, and those that were added by command,
/// which outlive the process. Gives each its number, which is not used again while the node runs. A
/// core: no thread, no disk, no socket.
class link_book {
public:
  /// Numbers that are given between two starts.
  static constexpr std::size_t numbers_max = 1'024;

  struct options {
    /// `node.id` of this node.
    std::string node{};
    /// Whether links may leave the machine: with certificates, or where everyone is trusted.
    bool may_leave_machine = false;
  };
  struct link {
    std::string node{};
    /// As it was given: `NODE` or `NODE=HOST:PORT`; of a peer of the config its name alone.
    std::string text{};
    bool is_configured = false;
    /// Not removed.
    bool is_there = true;
  };

  /// @param configured names of the config's peers, which have the numbers from 0.
  link_book(options of, const std::vector<std::string>& configured);

  /// What `text` says, if it may be added.
  /// @returns what `read_peer` says; errc::precondition_failed for this node itself, a peer that
  ///          is there, or an address on another machine without certificates;
  ///          errc::limit_reached.
  result<peer_address> check(std::string_view text) const;
  /// Adds what `check` let pass. @returns its number.
  std::uint32_t add(const peer_address& peer, std::string text);
  /// @returns the number that it had; errc::precondition_failed for a peer of the config;
  ///          errc::not_found.
  result<std::uint32_t> remove(std::string_view node);

  /// By their numbers.
  const std::vector<link>& links() const noexcept { return links_; }

  /// Those that were added by command, for the disk.
  std::string pack() const;
  /// The texts of a `pack`. @returns errc::store_corrupt.
  static result<std::vector<std::string>> unpack(std::string_view bytes);

private:
  const link* find(std::string_view node) const;

  options options_;
  std::vector<link> links_;
};

} // namespace gemel
