#pragma once

#include <cstddef>
#include <string>
#include <vector>

/// SQL text as far as a trial has to understand it: where names stand, and what kind of statement it is. Pure.
namespace pgeist::probe {

enum class token_kind { word, quoted, literal, other };

struct token {
    token_kind kind = token_kind::other;
    std::size_t begin = 0;
    std::size_t end = 0;
    std::string value;  ///< a word in lower case, a quoted identifier or a literal without its quotes
};

/// Comments are left out.
[[nodiscard]] std::vector<token> tokens_of(const std::string& sql);

/// A name of one or two parts.
struct written_name {
    std::string schema;  ///< empty: not given
    std::string name;
    std::size_t begin = 0;
    std::size_t end = 0;
    bool in_literal = false;  ///< 'schema.name'::regclass, nextval('name')
};

/// Everything in the text that may be the name of a relation, in its order; of longer names the first two parts.
[[nodiscard]] std::vector<written_name> names_in(const std::string& sql);

/// Why a statement of this kind is not tried; empty when it is.
[[nodiscard]] std::string why_not_tried(const std::string& sql);

/// The leading words of a statement, in lower case, without IF EXISTS and its like: `alter table`, `create index`.
[[nodiscard]] std::string kind_of(const std::string& sql);

/// The name in a CREATE SCHEMA that makes nothing else; empty for every other statement.
[[nodiscard]] std::string made_schema(const std::string& sql);

/// Whether `word` stands in the text as a word (not in a literal or in quotes).
[[nodiscard]] bool has_word(const std::string& sql, const std::string& word);

}  // namespace pgeist::probe
