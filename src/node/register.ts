/** `--import kernet/register`: the hooks of install() are in place before the program's first line. */
import { install } from './install.ts';

install();
