#pragma once

#include <string>
#include <vector>

#include <boost/json.hpp>

/// The server's own scanner and parser (libpg_query, grammar of PostgreSQL 15). The only file that knows its API is
/// sql_text.cpp.
namespace pgeist::ddl::sql_text {

/// A word, number, literal or sign of an SQL text; comments are left out.
struct token {
    std::size_t begin = 0;
    std::size_t end = 0;
    char sign = 0;         ///< the character of a one-character token, such as `(` or `,`; 0 for all others
    std::string word;      ///< keywords in lower case, identifiers as they fold or as quoted; empty for everything else
    bool quoted = false;   ///< an identifier in double quotes: no keyword
    bool literal = false;  ///< a string
};

/// @throws error with exit code `refused` when the text cannot be cut into tokens (an open string, for example)
[[nodiscard]] std::vector<token> scan(const std::string& text);

/// The parse tree as libpg_query's JSON; `message` says why there is none.
struct tree {
    boost::json::value root;
    std::string message;
    std::size_t position = 0;  ///< of the error in the text, from 1; 0 unknown

    [[nodiscard]] bool ok() const { return message.empty(); }
};

[[nodiscard]] tree parse(const std::string& text);

}  // namespace pgeist::ddl::sql_text
