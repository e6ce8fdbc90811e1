#pragma once

#include "runtime/adapters/peer_tls.hpp"

#include <memory>
#include <string>

namespace gemel::test {

/// An authority that signs certificates for tests; they hold for a day.
class certificate_maker {
public:
  /// @param folder where its files go.
  explicit certificate_maker(std::string folder);
  ~certificate_maker();
  certificate_maker(const certificate_maker&) = delete;
  certificate_maker& operator=(const certificate_maker&) = delete;

  /// Makes key and certificate of a node of this name.
  tls_files make(const std::string& node);

private:
  struct state;
  std::unique_ptr<state> state_;
};

} // namespace gemel::test
