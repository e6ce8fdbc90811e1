#include "runtime/peer_handshake.hpp"
#include "tests/fuzz/fuzz.hpp"

namespace {

using namespace gemel;

peer_greeting greeting(bool calls) {
  peer_greeting made;
  made.cluster = "plant";
  made.node = calls ? "edge" : "cloud";
  made.key = "a key of at least 16 bytes";
  made.life = calls ? 7 : 8;
  made.nonce = std::string(32, calls ? 'a' : 'b');
  made.calls = calls;
  made.wanted = calls ? "cloud" : "";
  return made;
}

// Bytes of the fuzzer, in pieces of as many as their first byte says.
class pieces {
public:
  pieces(const std::uint8_t* data, std::size_t size) : left_{fuzz::text_of(data, size)} {}

  bool empty() const { return left_.empty(); }
  std::string_view next() {
    auto size = static_cast<std::uint8_t>(left_.front());
    auto made = left_.substr(1, size);
    left_.remove_prefix(1 + made.size());
    return made;
  }

private:
  std::string_view left_;
};

// Somebody without the key: whatever it says, and however often, it is never let in.
void talk_without_key(pieces from, bool to_caller) {
  peer_handshake one{greeting(to_caller)};
  while (!from.empty()) {
    auto taken = one.take(from.next());
    static_cast<void>(one.take_output());
    fuzz::expect(!one.done(), "a handshake ends well without the key");
    if (!taken)
      return fuzz::expect_named(taken.error());
  }
}

// Somebody between the two who changes what they say: both end well only if nothing was changed.
void talk_through(pieces changes) {
  peer_handshake caller{greeting(true)};
  peer_handshake called{greeting(false)};
  bool changed = false;
  auto pass = [&](peer_handshake& from, peer_handshake& to) {
    auto sent = from.take_output();
    for (std::string_view left{sent}; left.size() >= sizeof(std::uint32_t);) {
      std::uint32_t size = 0;
      std::memcpy(&size, left.data(), sizeof size);
      std::string message{left.substr(sizeof size, size)};
      left.remove_prefix(sizeof size + message.size());
      auto mask = changes.empty() ? std::string_view{} : changes.next();
      for (std::size_t i = 0; i < std::min(mask.size(), message.size()); ++i) {
        changed |= mask[i] != 0;
        message[i] = static_cast<char>(message[i] ^ mask[i]);
      }
      if (auto taken = to.take(message); !taken)
        fuzz::expect_named(taken.error());
    }
  };
  for (int i = 0; i < 3; ++i) {
    pass(caller, called);
    pass(called, caller);
  }
  bool ended_well = caller.done() && called.done();
  fuzz::expect(!(ended_well && changed), "a handshake that was changed ends well");
  fuzz::expect(ended_well || changed, "a handshake that nobody changed fails");
}

} // namespace

/// What a stranger, or somebody between two nodes, says while they link: any bytes.
extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  if (size < 1)
    return 0;
  pieces rest{data + 1, size - 1};
  switch (data[0] % 3) {
  case 0:
    talk_without_key(rest, true);
    break;
  case 1:
    talk_without_key(rest, false);
    break;
  default:
    talk_through(rest);
  }
  return 0;
}
