#pragma once

#include <cstddef>
#include <cstdint>
#include <string_view>
#include <vector>

/// What pg_query_scan() returns: messages ScanResult and ScanToken of pg_query.proto. Debian's package brings the
/// generated reader without the library headers it needs, and two messages of plain numbers do not call for them.
namespace pgeist::ddl::scan_result {

/// Numbers of pg_query.proto's enum Token that matter here. Signs of one character have its code as their number.
inline constexpr std::int64_t first_named = 256;
inline constexpr std::int64_t identifier = 258;
inline constexpr std::int64_t string_literal = 261;
inline constexpr std::int64_t line_comment = 275;
inline constexpr std::int64_t block_comment = 276;

struct token {
    std::size_t begin = 0;
    std::size_t end = 0;
    std::int64_t kind = 0;
    bool keyword = false;
};

/// Reads the packed message. @throws std::runtime_error when it is cut short.
[[nodiscard]] std::vector<token> unpack(std::string_view packed);

}  // namespace pgeist::ddl::scan_result
