#pragma once

#include <cstddef>
#include <string>
#include <string_view>
#include <vector>

#include "pgeist/core/identifier.hpp"

namespace pgeist::ddl {

enum class token_kind {
    word,           ///< a keyword or an identifier without quotes
    quoted,         ///< an identifier in double quotes
    string,         ///< any literal in single quotes, with its prefix
    dollar_string,  ///< $tag$ … $tag$
    number,
    sign,  ///< one character of an operator or of punctuation
    comment,
};

struct token {
    token_kind kind = token_kind::sign;
    std::size_t begin = 0;
    std::size_t end = 0;
    std::string text;    ///< of a word: folded; of a quoted identifier and a literal: its value; of a sign: itself
    bool closed = true;  ///< false: the text ends within it

    [[nodiscard]] bool is(std::string_view word) const { return kind == token_kind::word && text == word; }
    [[nodiscard]] bool is_sign(char sign) const { return kind == token_kind::sign && text[0] == sign; }
    [[nodiscard]] bool is_name() const { return kind == token_kind::word || kind == token_kind::quoted; }
};

/// Cuts SQL into tokens by the rules of the server's scanner. Unlike libpg_query's it goes on whatever comes (psql's
/// commands, an open quote), and does not read further than it is asked.
class lexer {
public:
    explicit lexer(std::string_view text, std::size_t at = 0) : text_(text), at_(at) {}

    /// The next token, comments included; false at the end.
    bool next(token& into);
    [[nodiscard]] std::size_t at() const noexcept { return at_; }
    void go_to(std::size_t at) noexcept { at_ = at; }

private:
    [[nodiscard]] bool sees(std::string_view what) const { return text_.substr(at_).starts_with(what); }
    void comment(token& into);
    void quoted(token& into, char quote, bool escapes);
    bool dollar_quoted(token& into);
    void word(token& into);

    std::string_view text_;
    std::size_t at_;
};

/// All tokens without the comments.
[[nodiscard]] std::vector<token> tokens_of(std::string_view text);

/// `name` in double quotes if SQL needs them there: upper case, special characters, or a keyword that is no name.
[[nodiscard]] std::string sql_name(std::string_view name);
/// Both names so; the name alone where no schema is given.
[[nodiscard]] std::string sql_name(const qualified_name& name);

}  // namespace pgeist::ddl
