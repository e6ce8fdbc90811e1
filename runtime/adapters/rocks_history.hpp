#pragma once

#include "actors/history_writer.hpp"
#include "runtime/adapters/rocks_database.hpp"

namespace gemel {

/// History in the store's own database, so that blocks and cursor are one write, behind the log
/// that they stand for. One thread at a time; snapshots are for others.
class rocks_history final : public history_port {
public:
  /// @param in must outlive this.
  explicit rocks_history(rocks_database& in) : in_{in} {}

  result<void> write(const history_batch& made) override;
  result<void> read(std::string_view begin, std::string_view end,
                    const pair_sink& each) const override;
  result<std::string> first_key(std::string_view begin) const override;
  result<void> erase(std::string_view begin, std::string_view end) override;
  result<std::optional<std::pair<std::string, std::string>>>
  last_pair(std::string_view begin, std::string_view end) const override;
  result<std::optional<log_position>> cursor() const override;
  result<std::optional<std::string>> type_of(std::string_view id) const override;
  std::uint64_t bytes() const override;
  std::unique_ptr<history_view> snapshot() const override;

private:
  rocks_database& in_;
};

} // namespace gemel
