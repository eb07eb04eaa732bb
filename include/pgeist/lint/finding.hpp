#pragma once

#include <chrono>
#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "pgeist/ddl/migration.hpp"
#include "pgeist/probe/effect.hpp"
#include "pgeist/probe/static_effects.hpp"

namespace pgeist::lint {

enum class level { info, warning, error };
[[nodiscard]] std::string_view word_of(level how_bad);

struct settings {
    probe::server_version server;
    std::chrono::milliseconds max_block{500};
    bool foreign_ignores = false;
};

struct finding {
    std::string file;
    std::size_t line = 1;
    std::size_t column = 1;
    std::size_t end_line = 1;
    std::string rule;
    level how_bad = level::info;
    std::string message;
    std::string statement;  ///< as written; empty where the finding is about the file
    probe::effect does;     ///< of the whole statement
    std::vector<std::string> instead;
    bool suppressed = false;
    std::string reason;  ///< that an ignore gives
    std::string source_line;
    std::string fingerprint;  ///< the same when lines only move
};

struct not_analysed {
    std::string file;
    std::size_t line = 1;
    std::string why;
};

struct report {
    std::vector<finding> findings;
    std::vector<not_analysed> gaps;
    std::size_t files = 0;
    std::size_t statements = 0;
    bool unreadable = false;  ///< a file could not be read, or not parsed
    std::string asked;        ///< the server that was asked, and what could not be asked of it; empty: none
    bool standby = false;     ///< of that server

    [[nodiscard]] std::size_t count(level how_bad) const;  ///< without the suppressed ones
};

}  // namespace pgeist::lint
