#pragma once

#include <cstddef>
#include <string>
#include <string_view>
#include <vector>

namespace pgeist::ddl {

/// A place in a file. Lines and columns count from 1, columns in characters.
struct place {
    std::size_t offset = 0;
    std::size_t line = 1;
    std::size_t column = 1;
    friend bool operator==(const place&, const place&) = default;
};

struct comment {
    std::string text;  ///< with its dashes or stars
    place begin;
    std::size_t end = 0;
    std::size_t end_line = 1;
    bool alone = true;  ///< nothing but blank space stands before it on its line
};

enum class piece_kind {
    sql,
    meta_command,  ///< of psql: `\i file`, `\copy …`
};

/// A statement as it stands in its file.
struct piece {
    piece_kind kind = piece_kind::sql;
    std::string text;  ///< from its first word to its last, comments within it included; without the semicolon
    place begin;
    std::size_t end = 0;       ///< where its text ends
    std::size_t end_line = 1;  ///< where its semicolon stands
    std::string open;          ///< what is not closed at the end of the file: `string`, `comment`, …; empty: nothing
    std::string ended_by;      ///< psql's command that takes a semicolon's place: `\gexec`; empty: none
};

struct script {
    std::vector<piece> pieces;
    std::vector<comment> comments;
    std::vector<std::size_t> line_starts;  ///< offset of each line in `text`
    std::string text;                      ///< without a byte order mark, and valid UTF-8
    std::string problem;  ///< why the text is no SQL script at all (UTF-16, zero bytes); empty: it is one
};

/// Cuts a file into statements as psql and the server do: semicolons in quotes, comments, parentheses and the bodies of
/// SQL functions do not end one; the data behind COPY … FROM STDIN is passed over; psql's commands stand by themselves.
/// Every byte that is no comment, blank space or COPY data belongs to one of the pieces.
[[nodiscard]] script split(std::string_view file);

}  // namespace pgeist::ddl
