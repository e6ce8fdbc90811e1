#pragma once

#include "messages/fault.hpp"
#include "runtime/bulk.hpp"
#include "runtime/program/command_line.hpp"

#include <cstdint>
#include <memory>
#include <optional>
#include <string>

namespace gemel {

class output_file;

/// Says what becomes of a bulk run: faults on the standard error, a line of progress if that is a
/// terminal, every item's outcome in a file if asked for, and the summary.
class bulk_printer {
public:
  /// @param size of the input in bytes; 0: not known.
  bulk_printer(const program_context& context, bulk_action action, std::string file,
               std::uint64_t size, bool is_dry);
  ~bulk_printer();
  bulk_printer(const bulk_printer&) = delete;
  bulk_printer& operator=(const bulk_printer&) = delete;

  /// One JSON object for each item from now on.
  void outcomes_to(output_file file);

  void take(const bulk_outcome& what);
  void take_bad(const bulk_entry& entry);
  void take_lost(const error& why);
  void take_progress(const bulk_state& state, std::int64_t now_ns);

  /// @param done_before items of an earlier run.
  /// @returns the exit code.
  int finish(const bulk_report& report, std::uint64_t done_before, bool is_interrupted);

private:
  void print(fault found);
  void clear_line() const;
  std::string done_word() const;
  std::string summary(const bulk_report& report, std::uint64_t done_before) const;
  std::string summary_json(const bulk_report& report, std::uint64_t done_before) const;

  const program_context& context_;
  bulk_action action_;
  std::string file_;
  std::uint64_t size_;
  bool is_dry_;
  std::unique_ptr<output_file> outcomes_;
  std::optional<error> outcomes_failed_;
  fault_list kept_;
  std::uint64_t faults_ = 0;
  std::int64_t began_ns_ = 0;
};

} // namespace gemel
