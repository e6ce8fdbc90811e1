#pragma once

#include "messages/packed.hpp"
#include "messages/sibling.hpp"

#include <boost/unordered/unordered_flat_map.hpp>

#include <cstddef>
#include <cstdint>
#include <functional>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

/// Replicated properties as columns: names by number, numbers as steps, values apart. What batches
/// between nodes and records of replicas are made of.
namespace gemel {

/// Names that one side of a session gave numbers. A name is spoken of by number alone once the peer
/// acknowledged a message that spelt it; until then it is spelt again, so that a lost message never
/// leaves a number without a name.
class sent_names {
public:
  /// @param table tells one table from the next, if a session needs several.
  explicit sent_names(std::size_t names_max = 0, std::uint64_t table = 0)
      : names_max_{names_max}, table_{table} {}

  std::uint64_t table() const noexcept { return table_; }

  /// Forgets what the last message spelt, before the next.
  void begin_message() {
    spelt_.clear();
    ++message_;
  }
  /// The number of `name` and whether it must be spelt; number 0: it has none, spell it.
  std::pair<std::uint32_t, bool> use(std::string_view name);
  /// The names that the message spelt; to be given to `acknowledge` when its answer came.
  std::vector<std::uint32_t> take_spelt() { return std::move(spelt_); }
  void acknowledge(const std::vector<std::uint32_t>& spelt);
  /// For tests alone: all names count as known once they were spelt.
  void trust_the_wire() { trusting_ = true; }

private:
  struct known {
    bool acknowledged = false;
    std::uint64_t spelt_by = 0; // the message that spelt it last
  };
  bool spell(std::uint32_t number);

  std::size_t names_max_;
  std::uint64_t table_;
  bool trusting_ = false;
  std::uint64_t message_ = 1;
  boost::unordered_flat_map<std::string, std::uint32_t, text_hash, std::equal_to<>> numbers_;
  std::vector<known> by_number_; // from number 1
  std::vector<std::uint32_t> spelt_;
};

/// Names that the peer gave numbers; at most `names_max`.
class received_names {
public:
  explicit received_names(std::size_t names_max = 0) : names_max_{names_max} {}

  /// What follows speaks of this table; another one's names are forgotten.
  void use_table(std::uint64_t table) {
    if (table != table_)
      names_.clear();
    table_ = table;
  }
  /// @returns false: the number is too large, or another name's.
  bool define(std::uint64_t number, std::string_view name);
  /// Null: nobody has this number. Holds until the next `define`.
  const std::string* find(std::uint64_t number) const;

private:
  std::size_t names_max_;
  std::uint64_t table_ = 0;
  boost::unordered_flat_map<std::uint64_t, std::string> names_;
};

/// Makes columns of a clock and then entries. The clock names each writer once, for the entries
/// too.
class columns_writer {
public:
  columns_writer(const version_vector& clock, sent_names& names);

  void add(std::string_view twin, std::string_view key, std::span<const sibling> siblings);
  /// Appends it all to `out`.
  void finish(byte_writer& out) const;

private:
  // Number by first use, and the last number of a write that was named.
  struct known_writer {
    std::uint64_t number = 0;
    std::uint64_t last_write = 0;
  };

  void name(std::string_view text, std::string& last);
  known_writer& writer(writer_id w, byte_writer& column);
  void id(write_id w);
  void one(const sibling& s);

  sent_names& names_;
  std::size_t entries_ = 0;
  byte_writer heads_;
  byte_writer stamps_;
  byte_writer values_;
  std::string last_twin_;
  std::string last_key_;
  boost::unordered_flat_map<std::uint64_t, known_writer> writers_;
  std::uint64_t last_time_ = 0;
  write_id last_life_;
};

/// Appends a clock and entries: anything that has a `twin`, a `key` and `siblings`.
template <class Entries>
void write_columns(byte_writer& out, const version_vector& clock, const Entries& entries,
                   sent_names& names) {
  columns_writer columns{clock, names};
  for (const auto& e : entries)
    columns.add(e.twin, e.key, e.siblings);
  columns.finish(out);
}

/// What `write_columns` wrote, whatever the bytes: what is wrong stays in `in`, and nothing may be
/// used then. Twin ids and keys are valid, values within the limits; siblings are sorted.
struct read_columns {
  version_vector clock{};
  std::vector<replicated_entry> entries{};
};
read_columns read_entries(byte_reader& in, received_names& names, std::size_t entries_max);

/// Compresses `raw` if that pays (zstd, level 1), with its size and a mark.
void write_compressed(byte_writer& out, std::string_view raw);
/// Reads what `write_compressed` wrote into `raw`, at most `bytes_max` and 64 times what it took;
/// what is wrong stays in `in`.
void read_compressed(byte_reader& in, std::string& raw, std::size_t bytes_max);

} // namespace gemel
