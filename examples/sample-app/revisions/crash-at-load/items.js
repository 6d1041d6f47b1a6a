'use strict';

throw new Error('SETTINGS_FILE is not set');
