/* Strings of limited length, numbers, and messages. */

#include "entrypoint.h"

void append_bytes(struct text *text, const char *bytes, size_t size)
{
    size_t room = sizeof text->bytes - text->length;
    if (size > room)
        size = room;
    memcpy(text->bytes + text->length, bytes, size);
    text->length += size;
}

void append(struct text *text, const char *string)
{
    append_bytes(text, string, strlen(string));
}

/* Appends a string that somebody else chose, with control characters escaped. */
void append_escaped(struct text *text, const char *string)
{
    for (; *string != '\0'; string++) {
        unsigned char byte = (unsigned char)*string;
        if (byte < 0x20 || byte == 0x7f) {
            char escaped[] = {'\\', 'x', "0123456789abcdef"[byte >> 4], "0123456789abcdef"[byte & 15]};
            append_bytes(text, escaped, sizeof escaped);
        } else {
            append_bytes(text, string, 1);
        }
    }
}

enum { MOST_DIGITS = 19 };

/*
 * Writes the decimal digits of a number below 10^19, with zeros before them up to `width`. Returns how many. Subtracts
 * powers of ten: 32-bit machines cannot divide 64-bit numbers without libgcc.
 */
static size_t format_number(char digits[MOST_DIGITS], uint64_t number, int width)
{
    static const uint64_t powers[MOST_DIGITS] = {
        1000000000000000000u, 100000000000000000u, 10000000000000000u, 1000000000000000u, 100000000000000u,
        10000000000000u, 1000000000000u, 100000000000u, 10000000000u, 1000000000u, 100000000u, 10000000u, 1000000u,
        100000u, 10000u, 1000u, 100u, 10u, 1u};
    size_t count = 0;
    for (int i = 0; i < MOST_DIGITS; i++) {
        char digit = '0';
        for (; number >= powers[i]; number -= powers[i])
            digit++;
        if (count > 0 || digit != '0' || MOST_DIGITS - i <= width)
            digits[count++] = digit;
    }
    return count;
}

void append_number(struct text *text, uint64_t number, int width)
{
    char digits[MOST_DIGITS];
    append_bytes(text, digits, format_number(digits, number, width));
}

void append_error(struct text *text, int error)
{
    static const struct {
        int number;
        const char *description;
    } known[] = {
        {E2BIG, "Argument list too long"},
        {EACCES, "Permission denied"},
        {EAGAIN, "Resource temporarily unavailable"},
        {EBUSY, "Device or resource busy"},
        {EDQUOT, "Disk quota exceeded"},
        {EEXIST, "File exists"},
        {EFBIG, "File too large"},
        {EINVAL, "Invalid argument"},
        {EIO, "Input/output error"},
        {EISDIR, "Is a directory"},
        {ELIBBAD, "Accessing a corrupted shared library"},
        {ELOOP, "Too many levels of symbolic links"},
        {EMFILE, "Too many open files"},
        {ENAMETOOLONG, "File name too long"},
        {ENFILE, "Too many open files in system"},
        {ENODEV, "No such device"},
        {ENOENT, "No such file or directory"},
        {ENOEXEC, "Exec format error"},
        {ENOMEM, "Cannot allocate memory"},
        {ENOSPC, "No space left on device"},
        {ENOSYS, "Function not implemented"},
        {ENOTDIR, "Not a directory"},
        {ENXIO, "No such device or address"},
        {EPERM, "Operation not permitted"},
        {EPIPE, "Broken pipe"},
        {EROFS, "Read-only file system"},
        {ESTALE, "Stale file handle"},
        {ETXTBSY, "Text file busy"},
    };
    if (error < 0)
        error = -error;
    for (size_t i = 0; i < sizeof known / sizeof *known; i++) {
        if (known[i].number == error) {
            append(text, known[i].description);
            return;
        }
    }
    append(text, "errno ");
    append_number(text, (uint64_t)error, 1);
}

/* Logs a message on standard error: `message`, `subject` (escaped) and the text of `error`, unless that is 0. */
void log_error(const char *message, const char *subject, int error)
{
    static struct text line;
    line.length = 0;
    append(&line, "monopod: ");
    append(&line, message);
    append_escaped(&line, subject);
    if (error != 0) {
        append(&line, ": ");
        append_error(&line, error);
    }
    append(&line, "\n");
    ignore(write_all(STDERR_FILENO, line.bytes, line.length));
}

/* Returns a name such as "run.7". The prefix is short: the number has up to 10 digits. */
const char *numbered_name(struct name *name, const char *prefix, uint32_t number)
{
    char digits[MOST_DIGITS];
    size_t count = format_number(digits, number, 1), length = strlen(prefix);
    memcpy(name->bytes, prefix, length);
    memcpy(name->bytes + length, digits, count);
    name->bytes[length + count] = '\0';
    return name->bytes;
}

/* Parses a decimal number and moves past it. Returns -1 if there is none, 999999999 for more than nine digits. */
long parse_number(const char **at)
{
    const char *start = *at;
    long number = 0;
    for (; **at >= '0' && **at <= '9'; (*at)++)
        number = *at - start < 9 ? number * 10 + **at - '0' : 999999999;
    return *at == start ? -1 : number;
}
