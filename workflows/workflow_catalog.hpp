#pragma once

#include "messages/fault.hpp"
#include "workflows/workflow.hpp"

#include <cstdint>
#include <map>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

namespace gemel {

/// Documents of workflows by name and version, side by side; those without a name by their content
/// alone. Runs hold on to the document they began with.
class workflow_catalog {
public:
  using document_ptr = std::shared_ptr<const workflow>;

  /// Documents at a time; those without a name that no run has go first.
  static constexpr std::size_t documents_max = 10'000;

  /// @returns the document, maybe one that was there; all its faults; errc::precondition_failed if
  ///          another one has its name and version; errc::limit_reached.
  tl::expected<document_ptr, fault_list> add(std::string text, std::string file,
                                             const workflow_names& known);

  /// @param version 0: the newest. Null: there is none.
  document_ptr find(std::string_view name, std::uint32_t version = 0) const;
  /// By `digest_of` its text; null: there is none.
  document_ptr find_digest(std::string_view digest) const;
  static std::string digest_of(std::string_view text);

  using versions = std::map<std::uint32_t, document_ptr>;
  const std::map<std::string, versions, std::less<>>& all() const noexcept { return names_; }

  /// Some newest version has a trigger that listens to twins.
  bool has_event_triggers() const noexcept { return event_triggers_ > 0; }

private:
  result<void> make_room();
  void count_triggers();

  std::map<std::string, versions, std::less<>> names_;
  std::map<std::string, document_ptr, std::less<>> digests_;
  std::size_t event_triggers_ = 0;
};

} // namespace gemel
