#pragma once

#include "actors/sync/slab.hpp"
#include "messages/packed.hpp"
#include "messages/sibling.hpp"

#include <boost/container/small_vector.hpp>
#include <boost/unordered/unordered_flat_map.hpp>

#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

namespace gemel {

/// A replica's own count of the changes of one shard, local and remote alike; from 1. What a peer
/// says it has of us is such a number.
using change_number = std::uint64_t;

/// From which peer, in which of its lives, a change came; 0: from here, or from several.
using change_source = std::uint32_t;

/// The properties of one shard's twins, and in which order they changed last. Flat, since a replica
/// is read and written at random: a twin is found by one hash, its properties by their keys'
/// numbers. Who wants several properties of a twin finds its row once; who knows beforehand what it
/// will want asks for the memory early. Knows nothing of what they mean.
class property_table {
public:
  /// @param first_key most twins have it: it is found without its name.
  explicit property_table(std::string_view first_key) { use_key(first_key); }

  /// Of a twin; stays until its last property is erased, and is given to another then.
  using row_number = std::uint32_t;
  /// Of a property; stays until it is erased.
  using place = std::uint32_t;
  static constexpr place nowhere = UINT32_MAX;

  struct property {
    sibling_set siblings{};
    /// 0: it did not change yet.
    change_number changed = 0;
    change_source source = 0;
    /// For the owner: whether it changed since it was logged.
    bool unlogged = false;
  };

  /// @returns nowhere: the table has nothing of the twin.
  row_number row_of(std::string_view twin) const;
  /// @param of may be `nowhere`.
  place find(row_number of, std::string_view key) const;
  place find(std::string_view twin, std::string_view key) const { return find(row_of(twin), key); }
  /// The property of the first key.
  place first_of(row_number of) const {
    if (of == nowhere || rows_[of].cells.empty() || rows_[of].cells.front().key != 0)
      return nowhere;
    return rows_[of].cells.front().at;
  }
  /// Asks the processor for the memory of a row, and then, when that is there, of its properties.
  void fetch_row(row_number of) const {
    if (of != nowhere)
      fetch(&rows_[of], sizeof(twin_row));
  }
  void fetch_properties(row_number of) const {
    if (of != nowhere)
      for (const auto& c : rows_[of].cells)
        fetch(&nodes_[c.at], sizeof(node));
  }
  /// Makes it if it is not there.
  place obtain(std::string_view twin, std::string_view key);
  /// The twin goes with its last property.
  void erase(place at);

  property& at(place at) { return nodes_[at].content; }
  const property& at(place at) const { return nodes_[at].content; }
  const std::string& twin_of(place at) const { return rows_[nodes_[at].row].id; }
  const std::string& key_of(place at) const { return keys_[nodes_[at].key].name; }

  /// Calls `visit(place)` for each property of a twin, none of which it may erase.
  template <class Visit>
  void each_of(row_number of, Visit&& visit) const {
    if (of != nowhere)
      for (const auto& c : rows_[of].cells)
        visit(c.at);
  }
  template <class Visit>
  void each_of(std::string_view twin, Visit&& visit) const {
    each_of(row_of(twin), visit);
  }
  /// Calls `visit(id)` for each twin.
  template <class Visit>
  void each_twin(Visit&& visit) const {
    for (const auto& [id, row] : by_id_)
      visit(id);
  }
  bool empty() const noexcept { return by_id_.empty(); }

  /// One above the greatest row; a twin keeps its row, and one that went leaves it to another.
  row_number rows_end() const noexcept { return rows_.end(); }

  // ---- order of change -------------------------------------------------------------------------

  /// It is the last that changed. @param number greater than that of any other.
  void touch(place at, change_number number);
  /// Calls `visit(place)` for each property that changed after `from`, in that order.
  template <class Visit>
  void each_after(change_number from, Visit&& visit) const {
    constexpr std::size_t ahead = 8;
    for (auto slot = slot_after(from); slot < places_.size(); ++slot) {
      if (slot + ahead < places_.size() && places_[slot + ahead] != nowhere)
        fetch(&nodes_[places_[slot + ahead]], sizeof(node));
      if (places_[slot] != nowhere)
        visit(places_[slot]);
    }
  }
  /// How many of them changed after `from`, counting at most `count_max`.
  std::size_t count_after(change_number from, std::size_t count_max) const;
  /// Properties that changed.
  std::size_t size() const noexcept { return places_.size() - holes_; }

private:
  struct node {
    property content{};
    std::uint32_t row = nowhere;
    std::uint32_t key = nowhere;
    std::uint32_t slot = nowhere;
  };
  struct cell {
    std::uint32_t key = 0;
    place at = nowhere;
  };
  struct twin_row {
    std::string id{};
    boost::container::small_vector<cell, 4> cells{}; // by key
  };
  struct key_name {
    std::string name{};
    std::size_t uses = 0;
  };
  using numbers = boost::unordered_flat_map<std::string_view, std::uint32_t, text_hash>;

  static void fetch(const void* from, std::size_t size) {
    constexpr std::size_t line = 64;
    for (std::size_t at = 0; at < size; at += line)
      __builtin_prefetch(static_cast<const char*>(from) + at);
  }
  static std::uint32_t number_in(const numbers& in, std::string_view name);
  static const cell* cell_of(const twin_row& in, std::uint32_t key);
  std::uint32_t use_key(std::string_view name);
  void release_key(std::uint32_t number);
  std::size_t slot_after(change_number from) const;
  void leave_slot(node& gone);
  void close_holes();

  slab<node> nodes_;
  slab<twin_row> rows_;
  slab<key_name> keys_;
  numbers by_id_;  // views of `rows_`
  numbers by_key_; // views of `keys_`
  // The order of change: a property that changes again leaves a hole, and when half are holes they
  // are closed. So a change touches no other property.
  std::vector<change_number> changes_;
  std::vector<place> places_; // of those; `nowhere`: a hole
  std::size_t holes_ = 0;
  mutable row_number last_row_ = nowhere; // that was asked for: mostly it is asked for again
};

} // namespace gemel
