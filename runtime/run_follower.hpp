#pragma once

#include "runtime/twin_api.hpp"
#include "workflows/run.hpp"

#include <chrono>
#include <functional>
#include <memory>
#include <string>
#include <string_view>

namespace gemel {

/// A workflow run of a node, seen from a program: its changes are fetched and give the same run
/// here. Results above half a megabyte stay with the node; here is `{"large": true, "bytes": n}`.
class run_follower {
public:
  /// @returns errc::not_found, or why the node did not answer.
  static result<run_follower> open(twin_api& on, std::string_view id);

  /// Fetches what is new, and waits up to `wait` if nothing is. @param each hears of every change;
  /// may be empty. @returns whether the run goes on.
  result<bool> fetch(std::chrono::milliseconds wait,
                     const std::function<void(const workflow_run&, const run_record&)>& each);

  const workflow_run& run() const noexcept { return *run_; }
  const std::vector<run_record>& records() const noexcept { return records_; }
  /// What started it.
  const std::string& cause() const noexcept { return cause_; }

private:
  run_follower(twin_api& on, std::unique_ptr<workflow_run> run, std::string cause)
      : on_{&on}, run_{std::move(run)}, cause_{std::move(cause)} {}

  twin_api* on_;
  std::unique_ptr<workflow_run> run_;
  std::vector<run_record> records_;
  std::string cause_;
};

} // namespace gemel
