#pragma once

#include "messages/error.hpp"

#include <cstdint>
#include <string>
#include <vector>

/// What can be done with the folder of a store while no node has it open. All functions block, and
/// are answered errc::io_failed if another process has the store, errc::incompatible if its format
/// is newer.
namespace gemel {

/// What a store holds.
struct store_facts {
  std::string id{};
  std::string node{};
  std::uint64_t incarnation = 0;
  bool closed_orderly = false;
  std::uint64_t log_first = 0;
  std::uint64_t log_last = 0;
  std::uint64_t log_records = 0;
  std::uint64_t log_bytes = 0;
  std::uint64_t events = 0;
  std::uint64_t shards = 0;
  std::uint64_t twins = 0;
  std::uint64_t twin_bytes = 0;
  std::uint64_t passive_twins = 0;
  std::uint64_t facts = 0;
  std::uint64_t disk_bytes = 0;
};

/// What was seen while every byte was read.
struct store_findings {
  store_facts facts{};
  /// What is wrong, with its place; empty: the store is sound. At most `findings_max`.
  std::vector<std::string> wrong{};
  /// What `repair` did about it.
  std::vector<std::string> done{};
};
inline constexpr std::size_t findings_max = 1'000;

/// Reads every block, record and twin; changes nothing.
result<store_findings> check_store(const std::string& path);

/// Removes what is damaged, so that the rest can be used: all of the log from the first damaged
/// record on, single twins of snapshots, snapshots of which nothing is known. Says each. If
/// anything was wrong the store takes a new incarnation.
result<store_findings> repair_store(const std::string& path);

/// Copies the store into the new folder `target`, synced, with a list of its files and checksums.
result<store_facts> backup_store(const std::string& path, const std::string& target);

/// Makes the store `target`, which must not be there or be empty, from a backup whose files are as
/// they were. It takes a new incarnation.
/// @returns errc::store_corrupt with the file that differs.
result<store_facts> restore_store(const std::string& backup, const std::string& target);

/// What it holds. Damage is passed over.
result<store_facts> stats_of_store(const std::string& path);

} // namespace gemel
