// The octets that tokens and hosts are made of, and those that end other runs, for the tables of
// kernels that look octets up in registers. For octets from 0 to 0x7f: those from 0x80 up are
// outside of every set here.
#pragma once

#define TND__DIGIT(c) ((c) >= '0' && (c) <= '9')
#define TND__ALPHA(c) (((c) >= 'A' && (c) <= 'Z') || ((c) >= 'a' && (c) <= 'z'))
#define TND__HOST(c)  (TND__DIGIT(c) || TND__ALPHA(c) || (c) == '-' || (c) == '.' || (c) == '_')
#define TND__TOKEN(c)                                                                       \
    (TND__HOST(c) || (c) == '!' || (c) == '%' || (c) == '\'' || (c) == '*' || (c) == '+' || \
     (c) == '`' || (c) == '~')
#define TND__NO_URI(c)   ((c) <= ' ' || (c) == 0x7f || (c) == '"' || (c) == '<' || (c) == '>')
#define TND__NO_VALUE(c) (TND__NO_URI(c) || (c) == ',' || (c) == ';')
#define TND__NO_QUOTE(c) ((c) == '"' || (c) == '\\')
