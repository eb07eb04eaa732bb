#include "scan_result.hpp"

#include <stdexcept>

namespace pgeist::ddl::scan_result {

namespace {

// Protocol buffers: each field is a key (number * 8 + wire type) and a value.
constexpr std::uint64_t varint_type = 0;
constexpr std::uint64_t bytes_type = 2;
constexpr std::uint64_t tokens_field = 2;  // of ScanResult
constexpr std::uint64_t start_field = 1;   // of ScanToken, as are the following
constexpr std::uint64_t end_field = 2;
constexpr std::uint64_t token_field = 4;
constexpr std::uint64_t keyword_kind_field = 5;

class reader {
public:
    explicit reader(std::string_view bytes) : bytes_(bytes) {}

    [[nodiscard]] bool done() const { return at_ >= bytes_.size(); }

    std::uint64_t varint() {
        std::uint64_t value = 0;
        for (int shift = 0; shift < 64; shift += 7) {
            if (done()) {
                break;
            }
            const auto byte = static_cast<unsigned char>(bytes_[at_++]);
            value |= static_cast<std::uint64_t>(byte & 0x7F) << shift;
            if ((byte & 0x80) == 0) {
                return value;
            }
        }
        throw std::runtime_error("the scanner's answer is cut short");
    }

    std::string_view bytes() {
        const auto length = varint();
        if (length > bytes_.size() - at_) {
            throw std::runtime_error("the scanner's answer is cut short");
        }
        const auto found = bytes_.substr(at_, length);
        at_ += length;
        return found;
    }

private:
    std::string_view bytes_;
    std::size_t at_ = 0;
};

token unpack_token(std::string_view packed) {
    token each;
    reader from(packed);
    while (!from.done()) {
        const auto key = from.varint();
        const auto value = from.varint();  // ScanToken has numbers only
        switch (key >> 3U) {
            case start_field:
                each.begin = value;
                break;
            case end_field:
                each.end = value;
                break;
            case token_field:
                each.kind = static_cast<std::int64_t>(value);
                break;
            case keyword_kind_field:
                each.keyword = value != 0;
                break;
            default:
                break;
        }
    }
    return each;
}

}  // namespace

std::vector<token> unpack(std::string_view packed) {
    std::vector<token> tokens;
    reader from(packed);
    while (!from.done()) {
        const auto key = from.varint();
        if ((key & 7U) == varint_type) {
            from.varint();
        } else if ((key & 7U) == bytes_type) {
            const auto field = from.bytes();
            if ((key >> 3U) == tokens_field) {
                tokens.push_back(unpack_token(field));
            }
        } else {
            throw std::runtime_error("the scanner's answer has a field of an unknown kind");
        }
    }
    return tokens;
}

}  // namespace pgeist::ddl::scan_result
